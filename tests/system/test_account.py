# SPDX-License-Identifier: GPL-3.0-or-later
"""The account phase by key, live and pinned (held accounts: test_ways_in.py),
and passwords that are changed on the host: passwd, and the forced change of
sshd and login."""

from datetime import datetime, timedelta, timezone

import pytest

from laboratory import DOMAIN, PASSWORD, wait_until
from terminal import converse
from test_auth import config, directory, still_mirror
from test_ways_in import (assert_out, audit, by_key, give_key, login)

ALICE = f"alice@{DOMAIN}"
HEIDI = "heidi@contoso.com"
LOCAL = "local.person@contoso.com"
FORCED = "forced.person@contoso.com"
# A mirror that learns of nothing by itself.
STILL = "\n[sync]\ninterval = 1h\nnotify = no\n"


@pytest.fixture(scope="module")
def people(lab):
    """Accounts outside AADDC Users, which have their password here."""
    names = ("acct-local", "acct-forced")
    directory(lab, "for name in args[0]:\n"
              "    new(name, args[1], args[2][name])\n", names, PASSWORD,
              dict(zip(names, (LOCAL, FORCED))))
    lab.sync()
    yield
    directory(lab, "for name in args[0]:\n"
              "    if dn_of(name):\n"
              "        sam.delete(dn_of(name))\n", names)
    lab.sync("--full")


def modify(lab, name, *lines):
    directory(lab, "sam.modify_ldif(f'dn: {dn_of(args[0])}\\n'\n"
              "    'changetype: modify\\n' + '\\n-\\n'.join(args[1]) + "
              "'\\n')\n", name, lines)


def disable(lab, name, flag):
    modify(lab, name, "replace: userAccountControl\n"
           f"userAccountControl: {514 if flag else 512}")


def is_asked(lab, user):
    """A login that a domain controller had a word in.  It has two seconds;
    after that, on a machine that has much to do, the mirror decides."""
    assert by_key(lab, user).stdout == user + "\n"
    return 'reason="checked live"' in audit(lab, "account")[-1]


# ---- the live check --------------------------------------------------------

def test_key_of_an_account_disabled_a_moment_ago(lab, people):
    with config(lab, "", STILL):
        give_key(lab, LOCAL)
        wait_until("it is asked", lambda: is_asked(lab, LOCAL))
        disable(lab, "acct-local", True)
        try:
            wait_until("it is asked again", lambda: by_key(
                lab, LOCAL).stdout == "")
            assert 'reason="the domain says so"' in audit(lab, "account")[-1]
        finally:
            disable(lab, "acct-local", False)
        assert by_key(lab, LOCAL).stdout == LOCAL + "\n"


def test_key_of_an_account_deleted_a_moment_ago(lab):
    user = f"acct-gone@{DOMAIN}"
    directory(lab, "new('acct-gone', args[0], args[1])\n", PASSWORD, user)
    with config(lab, "", STILL):
        give_key(lab, user)
        wait_until("it is asked", lambda: is_asked(lab, user))
        directory(lab, "sam.delete(dn_of('acct-gone'))\n")
        wait_until("it is asked again", lambda: by_key(
            lab, user).stdout == "")
        assert "does not show this object" in audit(lab, "account")[-1]


def test_key_while_no_domain_controller_answers(lab, people):
    """The mirror decides, unless the administrator wants an answer."""
    give_key(lab, LOCAL)
    with config(lab, "", "\n[login]\nlive_check = keys\n"):
        lab.samba("stop")
        try:
            assert by_key(lab, LOCAL).stdout == LOCAL + "\n", lab.log()
        finally:
            lab.samba("start")
    with config(lab, "", "\n[login]\nlive_check = always\n"):
        wait_until("it is asked", lambda: by_key(
            lab, LOCAL).stdout == LOCAL + "\n")
        lab.samba("stop")
        try:
            assert_out(by_key(lab, LOCAL))
            assert "live_check = always" in audit(lab, "account")[-1]
        finally:
            lab.samba("start")
    lab.sync()


# ---- who may log in --------------------------------------------------------

def test_allowed_name_moves_to_another_object(lab, people):
    allow = f"\n[login]\nallow_users = {LOCAL}\n"
    with config(lab, "", allow):
        for user in (LOCAL, FORCED):
            give_key(lab, user)
        assert by_key(lab, LOCAL).stdout == LOCAL + "\n"
        assert_out(by_key(lab, FORCED))
        other = "renamed.person@contoso.com"
        directory(lab, "set_upn('acct-local', args[1])\n"
                  "set_upn('acct-forced', args[0])\n", LOCAL, other)
        try:
            lab.sync()
            give_key(lab, LOCAL)
            assert_out(by_key(lab, LOCAL))
            assert "not in allow_users" in audit(lab, "account")[-1]
            assert "is the name of another object now" in lab.log()
            # The first one is let in under whatever name; a restart too.
            give_key(lab, other)
            lab.daemon("restart")
            lab.sync()
            assert by_key(lab, other).stdout == other + "\n"
            assert_out(by_key(lab, LOCAL))
        finally:
            directory(lab, "set_upn('acct-forced', args[1])\n"
                      "set_upn('acct-local', args[0])\n", LOCAL, FORCED)
            lab.sync()


def test_allowed_group_nested(lab):
    """alice is in Kernel Team, which is in Platform Team."""
    group = lab.ldap_user(ALICE, "objectSid")["objectSid"][0]
    for allowed, ok in ((f"Engineering@{DOMAIN}", True),
                        (f"Sales@{DOMAIN}", False)):
        with config(lab, "", f"\n[login]\nallow_groups = {allowed}\n"):
            give_key(lab, ALICE)
            result = by_key(lab, ALICE)
            assert (result.stdout == ALICE + "\n") == ok, allowed
    with config(lab, "", f"\n[login]\nallow_users = {group}\n"):
        assert by_key(lab, ALICE).stdout == ALICE + "\n"
        give_key(lab, HEIDI)
        assert_out(by_key(lab, HEIDI))


# ---- passwords -------------------------------------------------------------

def passwd(lab, user, old, new, again=None):
    return converse(lab, ["runuser", "-u", user, "--", "passwd"],
                    ("Current password: $", old), ("New password: $", new),
                    ("Retype new password: $", again or new))


@pytest.mark.parametrize("fast", ["try", "never"])
def test_passwd(lab, people, fast):
    new = f"New-Pässword-{fast}"
    with config(lab, "", f"\n[login]\nfast = {fast}\n"):
        try:
            talk = passwd(lab, LOCAL, PASSWORD, "short")
            assert talk.status != 0
            assert "at least 7 characters" in talk.text, talk
            assert lab.ssh(LOCAL, PASSWORD).returncode == 0
            talk = passwd(lab, LOCAL, PASSWORD, new)
            assert talk.status == 0, (talk, lab.log()[-2000:])
            assert "password updated successfully" in talk.text
            assert 'result="ok"' in audit(lab, "password")[-1]
            assert lab.ssh(LOCAL, PASSWORD).returncode != 0
            assert lab.ssh(LOCAL, new).stdout == LOCAL + "\n"
        finally:
            directory(lab, "sam.setpassword('(sAMAccountName=acct-local)',"
                      " args[0])\n", PASSWORD)
        logs = lab.log()
        assert new not in logs and PASSWORD not in logs


def test_passwd_with_a_wrong_one(lab, people):
    talk = converse(lab, ["runuser", "-u", LOCAL, "--", "passwd"],
                    ("Current password: $", "Wrong-Horse-1"),
                    ("password unchanged", None))
    assert "New password" not in talk.text
    assert 'result="bad-password"' in audit(lab, "password")[-1]
    talk = passwd(lab, LOCAL, PASSWORD, "New-Pass-1", "New-Pass-2")
    assert talk.status != 0
    assert lab.ssh(LOCAL, PASSWORD).returncode == 0


@pytest.fixture
def forced(lab, people):
    """The administrator has given a password, to be changed at once."""
    directory(lab, "sam.setpassword('(sAMAccountName=acct-forced)',"
              " args[0], force_change_at_next_login=True)\n", PASSWORD)
    lab.sync()
    yield


def steps(new):
    return (("Current password: $", PASSWORD), ("New password: $", new),
            ("Retype new password: $", new))


def test_forced_change_by_keyboard_interactive(lab, forced):
    talk = converse(
        lab, ["ssh", "-o", "PreferredAuthentications=keyboard-interactive",
              "-l", FORCED, "host1", "id -un"],
        ("[Pp]assword: $", PASSWORD), *steps("New-Password-31"))
    assert talk.status == 0, (talk, lab.log()[-2000:])
    assert "Your password must be changed." in talk.text
    assert FORCED in talk.lines
    assert lab.ssh(FORCED, "New-Password-31").stdout == FORCED + "\n", lab.log()[-2000:]


def test_forced_change_by_password(lab, forced):
    """sshd runs passwd in the session, and hangs up."""
    talk = converse(
        lab, ["ssh", "-tt", "-o", "PreferredAuthentications=password",
              "-l", FORCED, "host1"],
        ("[Pp]assword: $", PASSWORD), *steps("New-Password-32"))
    assert "password updated successfully" in talk.text, talk
    assert lab.ssh(FORCED, "New-Password-32").stdout == FORCED + "\n", lab.log()[-2000:]


def test_forced_change_at_login(lab, forced):
    talk = login(lab, FORCED, PASSWORD, *steps("New-Password-33"),
                 (r"\$ $", "id -un; exit"))
    assert talk.status == 0, (talk, lab.log()[-2000:])
    assert FORCED in talk.lines
    assert lab.ssh(FORCED, "New-Password-33").stdout == FORCED + "\n"


def test_forced_change_of_another_object(lab, forced):
    """Who has the name now, while the mirror knows only who had it."""
    with still_mirror(lab):
        directory(lab, "sam.delete(dn_of(args[0]))\nnew(*args)\n"
                  "sam.setpassword(f'(sAMAccountName={args[0]})', args[1],"
                  " force_change_at_next_login=True)\n", "acct-forced",
                  PASSWORD, FORCED)
        talk = passwd(lab, FORCED, PASSWORD, "New-Password-34")
        assert talk.status != 0, talk
        assert "the password was changed; then: the KDC authenticated" in \
            audit(lab, "password")[-1]
    lab.sync()


def test_forced_change_elsewhere(lab):
    """An account of the tenant is sent there, and gets no session."""
    user = f"mustchange@{DOMAIN}"
    with config(lab, "", "\n[login]\n"
                "password_change_url = https://passwords.example\n"):
        talk = converse(
            lab, ["ssh", "-o", "LogLevel=INFO", "-o",
                  "PreferredAuthentications=keyboard-interactive", "-o",
                  "NumberOfPasswordPrompts=1", "-l", user, "host1",
                  "id -un"], ("[Pp]assword: $", PASSWORD))
    assert talk.status != 0 and user not in talk.lines
    assert "https://passwords.example" in talk.text, talk


def test_warning_before_the_password_expires(lab, tenant):
    """The policy of the lab is 90 days."""
    user = f"acct-aging@{DOMAIN}"
    set_at = datetime.now(timezone.utc) - timedelta(days=80, hours=12)
    tenant["customOUs"][0]["users"].append({
        "sAMAccountName": "acct-aging", "userPrincipalName": user,
        "lastPasswordChangeDateTime": set_at.isoformat(),
        "passwordProfile": {"password": PASSWORD}})
    lab.apply(tenant)
    lab.sync()
    talk = converse(lab, ["ssh", "-l", user, "host1"],
                    ("[Pp]assword: $", PASSWORD), (r"\$ $", "exit"))
    assert "Your password expires in 9 days. Change it with passwd." in \
        talk.text, talk
