# SPDX-License-Identifier: GPL-3.0-or-later
"""Each state that an account can be in, made in the real domain: what PAM
says at which stage, and what the person at the terminal reads.

Two that a Samba domain cannot make are in tests/unit/test_auth_errors.c: the
workstation restriction (KDC_ERR_POLICY), which Samba ignores, and a KDC that
answers for another realm.
"""

import re
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from laboratory import DOMAIN, PASSWORD, dslab, wait_until
from test_auth import config, directory, still_mirror
from test_ways_in import audit

WRONG = "Wrong-Horse-1"
# Linux-PAM's own words for its codes, as pamtester prints them.
SUCCESS = "successfully authenticated"
ACCT_SUCCESS = "account management done."
AUTH_ERR = "Authentication failure"
PERM_DENIED = "Permission denied"
ACCT_EXPIRED = "User account has expired"
USER_UNKNOWN = "User not known to the underlying authentication module"
UNAVAIL = "Authentication service cannot retrieve authentication info"
NEW_AUTHTOK = "Authentication token is no longer valid; new one required"

DISABLED_TEXT = "Your account is disabled."
EXPIRED_TEXT = "Your account has expired."
HOURS_TEXT = "Your account may not log in at this time."
LOCKED_TEXT = "Your account is locked; try again later."
CHANGE_TEXT = "Your password must be changed."
NO_KDC_TEXT = "The domain cannot check passwords now; try again later."


@dataclass
class Outcome:
    """What is seen at the terminal: PAM's code, the text before it ("" for
    none), and the result in the audit line."""
    code: str
    text: str
    result: str


def pam(lab, user, password, *stages):
    """The lines that pamtester shows of these stages."""
    result = lab.host("pamtester", "table", user, *stages,
                      input=password + "\n")
    output = result.stdout + result.stderr
    return [re.sub("^(Password: )?(pamtester: )?", "", line).strip()
            for line in output.splitlines()]


def assert_outcome(lab, user, password, stage, expected):
    lines = [line for line in pam(lab, user, password, stage) if line]
    event = "auth" if stage == "authenticate" else "account"
    decision = [line for line in lab.log().splitlines()
                if f"audit event={event} " in line][-1]
    assert f'result="{expected.result}"' in decision
    wanted = {expected.code} | ({expected.text} if expected.text else set())
    assert set(lines) == wanted, (lines, decision)


def set_user(lab, name, **values):
    """Attributes as the service writes them; None deletes."""
    directory(lab, "changes = args[1]\n"
              "text = f'dn: {dn_of(args[0])}\\nchangetype: modify\\n'\n"
              "for key, value in changes.items():\n"
              "    text += f'replace: {key}\\n'\n"
              "    if value is not None:\n"
              "        text += f'{key}:: {value}\\n' "
              "if key == 'logonHours' else f'{key}: {value}\\n'\n"
              "    text += '-\\n'\n"
              "sam.modify_ldif(text)\n", name, values)


@pytest.fixture(scope="module", autouse=True)
def service(lab):
    """The module alone, so that its own codes are seen."""
    lab.lab.host.write("/etc/pam.d/table", "".join(
        f"{kind} required pam_dssync.so {word}\n" for kind, word in
        (("auth", "nodelay"), ("account", ""), ("session", ""),
         ("password", ""))))
    yield
    lab.output("rm", "/etc/pam.d/table")


@pytest.fixture(scope="module")
def states(lab, service):
    """One account a state."""
    names = ("hours", "card", "locked")
    directory(lab, "for name in args[0]:\n"
              "    new('state-' + name, args[1],\n"
              "        f'state-{name}@' + args[2])\n", names, PASSWORD,
              DOMAIN)
    set_user(lab, "state-hours", logonHours="AAAAAAAAAAAAAAAAAAAAAAAAAAAA")
    set_user(lab, "state-card", userAccountControl=0x40200)
    lab.sync()
    user = f"state-locked@{DOMAIN}"
    for _ in range(5):
        pam(lab, user, WRONG, "authenticate")
    try:
        yield
    finally:
        directory(lab, "for name in args[0]:\n"
                  "    sam.delete(dn_of('state-' + name))\n", names)
        lab.sync("--full")


@pytest.fixture(scope="module", params=["demand", "never"])
def fast(lab, states, request):
    with config(lab, "", f"\n[login]\nfast = {request.param}\n"):
        yield request.param


BAD = Outcome(AUTH_ERR, "", "bad-password")
UNAVAILABLE = Outcome(UNAVAIL, NO_KDC_TEXT, "unavailable")

# user, what a right password gets in auth in FAST armour, and without it.
ROWS = {
    "disabled": (f"disabled@{DOMAIN}",
                 Outcome(PERM_DENIED, DISABLED_TEXT, "disabled"),
                 Outcome(PERM_DENIED, DISABLED_TEXT, "disabled")),
    "account-expired": (f"contractor@{DOMAIN}",
                        Outcome(ACCT_EXPIRED, EXPIRED_TEXT, "expired"),
                        Outcome(ACCT_EXPIRED, EXPIRED_TEXT, "expired")),
    "logon-hours": (f"state-hours@{DOMAIN}",
                    Outcome(PERM_DENIED, HOURS_TEXT, "hours"),
                    Outcome(PERM_DENIED, HOURS_TEXT, "hours")),
    "must-change": (f"mustchange@{DOMAIN}",
                    Outcome(SUCCESS, CHANGE_TEXT, "new-password"),
                    Outcome(PERM_DENIED, CHANGE_TEXT, "denied")),
    "password-expired": (f"expired@{DOMAIN}",
                         Outcome(SUCCESS, CHANGE_TEXT, "new-password"),
                         Outcome(PERM_DENIED, CHANGE_TEXT, "denied")),
    "smartcard": (f"state-card@{DOMAIN}", BAD, BAD),
}


@pytest.mark.parametrize("row", ROWS)
def test_right_password(lab, fast, row):
    user, armoured, plain = ROWS[row]
    assert_outcome(lab, user, PASSWORD, "authenticate",
                   armoured if fast == "demand" else plain)


@pytest.mark.parametrize("row", ROWS)
def test_wrong_password(lab, fast, row):
    """Tells nothing of the account's state."""
    assert_outcome(lab, ROWS[row][0], WRONG, "authenticate", BAD)


@pytest.mark.parametrize("password", [PASSWORD, WRONG])
def test_locked(lab, fast, password):
    """The KDC does not look at the password, so nothing is said of it."""
    assert_outcome(lab, f"state-locked@{DOMAIN}", password, "authenticate",
                   Outcome(PERM_DENIED, "", "locked"))


def test_unknown(lab, fast):
    """Nobody, here; and somebody here whom the KDC does not know any more."""
    ghost = f"ghost@{DOMAIN}"
    for stage in ("authenticate", "acct_mgmt"):
        assert pam(lab, ghost, PASSWORD, stage)[-1] == USER_UNKNOWN
    user = f"state-gone@{DOMAIN}"
    directory(lab, "new('state-gone', args[0], args[1])\n", PASSWORD, user)
    lab.sync()
    with still_mirror(lab):
        directory(lab, "sam.delete(dn_of('state-gone'))\n")
        assert_outcome(lab, user, PASSWORD, "authenticate",
                       Outcome(USER_UNKNOWN, "", "unknown"))


@contextmanager
def old_mirror(lab):
    """The mirror learns nothing, and domain controllers can be asked."""
    pid = str(lab.main_process("sync"))
    lab.output("kill", "-STOP", pid)
    try:
        yield
    finally:
        lab.output("kill", "-CONT", pid)


def test_disabled_a_moment_ago(lab, fast):
    """Inside FAST the KDC does not say why: a domain controller is asked."""
    user = f"state-late@{DOMAIN}"
    directory(lab, "new('state-late', args[0], args[1])\n", PASSWORD, user)
    lab.sync()

    def is_asked():
        """A look has two seconds, and the first one makes a connection."""
        pam(lab, user, "", "acct_mgmt")
        return 'reason="checked live"' in audit(lab, "account")[-1]
    try:
        wait_until("a domain controller is asked", is_asked)
        with old_mirror(lab):
            set_user(lab, "state-late", userAccountControl=0x202)
            assert_outcome(lab, user, PASSWORD, "authenticate", Outcome(
                PERM_DENIED, DISABLED_TEXT, "disabled"))
            assert_outcome(lab, user, WRONG, "authenticate", BAD)
        if fast == "demand":
            # Nobody says why, so nothing is said, or written down as known.
            set_user(lab, "state-late", userAccountControl=0x200)
            lab.sync()
            with still_mirror(lab):
                set_user(lab, "state-late", userAccountControl=0x202)
                assert_outcome(lab, user, PASSWORD, "authenticate",
                               Outcome(PERM_DENIED, "", "denied"))
    finally:
        directory(lab, "sam.delete(dn_of('state-late'))\n")
        lab.sync("--full")


# ---- account ---------------------------------------------------------------

ACCOUNT_ROWS = {
    "disabled": (f"disabled@{DOMAIN}",
                 Outcome(PERM_DENIED, DISABLED_TEXT, "disabled")),
    "account-expired": (f"contractor@{DOMAIN}",
                        Outcome(ACCT_EXPIRED, EXPIRED_TEXT, "expired")),
    "logon-hours": (f"state-hours@{DOMAIN}",
                    Outcome(PERM_DENIED, HOURS_TEXT, "hours")),
    "locked": (f"state-locked@{DOMAIN}",
               Outcome(PERM_DENIED, LOCKED_TEXT, "locked")),
    "must-change": (f"mustchange@{DOMAIN}",
                    Outcome(NEW_AUTHTOK, CHANGE_TEXT, "new-password")),
    "password-expired": (f"expired@{DOMAIN}", Outcome(
        NEW_AUTHTOK, CHANGE_TEXT, "new-password")),
    "well": (f"alice@{DOMAIN}", Outcome(ACCT_SUCCESS, "", "ok")),
}


@pytest.mark.parametrize("row", ACCOUNT_ROWS)
def test_account(lab, states, row):
    """Without a password before it, as after an SSH key."""
    user, expected = ACCOUNT_ROWS[row]
    assert_outcome(lab, user, "", "acct_mgmt", expected)


def test_account_after_an_expired_password(lab, fast):
    """Said once, and reported by the stage that PAM has for it."""
    lines = pam(lab, f"expired@{DOMAIN}", PASSWORD, "authenticate",
                "acct_mgmt")
    assert lines == ([CHANGE_TEXT, SUCCESS, NEW_AUTHTOK] if fast == "demand"
                     else [CHANGE_TEXT, PERM_DENIED]), lines


def test_account_outside_the_policy(lab, states):
    with config(lab, "", "\n[login]\nallow_users = heidi@contoso.com\n"):
        assert_outcome(lab, f"alice@{DOMAIN}", "", "acct_mgmt",
                       Outcome(PERM_DENIED, "Your account may not log in "
                               "here.", "denied"))


# ---- no answer -------------------------------------------------------------

def dc(lab, *words):
    result = dslab("dc", *words, "--name", lab.name)
    assert result.returncode == 0, result.stderr


def test_unreachable(lab, fast):
    dc(lab, "stop")
    try:
        for password in (PASSWORD, WRONG):
            assert_outcome(lab, f"alice@{DOMAIN}", password, "authenticate",
                           UNAVAILABLE)
    finally:
        dc(lab, "start")


def test_skew(lab, fast):
    """Armour has a time in it; else libkrb5 goes by the KDC's clock, whose
    answers are proven as ever."""
    dc(lab, "clock", "dc1", "+3600")
    try:
        for password, plain in ((PASSWORD, Outcome(SUCCESS, "", "ok")),
                                (WRONG, BAD)):
            assert_outcome(lab, f"alice@{DOMAIN}", password, "authenticate",
                           UNAVAILABLE if fast == "demand" else plain)
    finally:
        dc(lab, "clock", "dc1", "0")
