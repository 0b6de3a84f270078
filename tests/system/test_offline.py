# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins while no KDC answers: who gets in, what is said, what ends it."""

import json
from contextlib import contextmanager

import pytest

from laboratory import PASSWORD, dslab, user_of, wait_until

CONF = "/etc/dssync/dssync.conf"
FOLDER = "/var/lib/dssync/auth/offline"
ALICE = "alice@aaddscontoso.com"
HEIDI = "heidi@contoso.com"
IVAN = "ivan@contoso.onmicrosoft.com"
FRANK = "frank@fabrikam.com"
OLIVIA = "olivia@contoso.com"
EVERGREEN = "evergreen@aaddscontoso.com"
WRONG = "Wrong-Horse-1"
NEW = "Another-Horse-2"
SAID = "Signed in offline: the domain cannot be reached."
REFUSED = "the password was not accepted offline."


@pytest.fixture(scope="module")
def offline(lab):
    """The host with offline logins, three tries and then an hour."""
    with lab.configured("[login]\noffline = yes\n"
                        "offline_attempts = 3\noffline_delay = 1h"):
        lab.sync()
        yield lab


@contextmanager
def away(lab, how="stop"):
    """No domain controller, one way or another, and back."""
    back = {"stop": "start", "cut": "mend", "hang": "resume"}[how]
    result = dslab("dc", how, "--name", lab.name)
    assert result.returncode == 0, result.stderr
    try:
        yield
    finally:
        result = dslab("dc", back, "--name", lab.name)
        assert result.returncode == 0, result.stderr


def attempt(lab, user, password):
    """What auth-test says of a password: admitted, and its words."""
    result = lab.host("dssyncctl", "auth-test", "--stdin", "--json", user,
                      input=password + "\n")
    answer = json.loads(result.stdout)
    return answer["admitted"], " ".join(s["text"] for s in answer["steps"])


def state(lab):
    return lab.auth()["offline"]


def log_in(lab, user, password=PASSWORD):
    """A login that the domain checks, and the verifier that it leaves."""
    guid = lab.ctl("user", user)["objectGUID"]
    name = f"{FOLDER}/{guid}.verifier"
    before = lab.shell(f"stat -c %i.%Z {name}").stdout

    # The daemon may still believe that no KDC answers.
    def online():
        admitted, words = attempt(lab, user, password)
        assert admitted, words
        return SAID not in words
    wait_until("the KDC is asked again", online, pause=1)
    wait_until("a verifier", lambda: lab.shell(
        f"stat -c %i.%Z {name}").stdout not in ("", before))


def assert_offline(lab, user, password=PASSWORD):
    admitted, words = attempt(lab, user, password)
    assert admitted and SAID in words, words + lab.log()[-1500:]


def assert_refused(lab, user, password, reason):
    """Refused, with one text for every reason; the audit knows more."""
    offset = len(lab.log())
    admitted, words = attempt(lab, user, password)
    assert not admitted and REFUSED in words, words
    lines = [line for line in lab.log()[offset:].splitlines()
             if "event=auth" in line and f'user="{user}"' in line]
    assert len(lines) == 1 and reason in lines[0], lines


# ---- getting in --------------------------------------------------------------

@pytest.mark.parametrize("how, user", [
    ("stop", ALICE), ("cut", HEIDI), ("hang", IVAN)])
def test_no_domain_controller(offline, how, user):
    lab = offline
    log_in(lab, user)
    with away(lab, how):
        before = state(lab)["signed_in"]
        result = lab.ssh(user, PASSWORD, "id -un; echo [$KRB5CCNAME]", 90)
        assert result.stdout == f"{user}\n[]\n", \
            result.stderr + lab.log()[-1500:]
        assert_offline(lab, user)
        wait_until("both are counted", lambda: state(lab)["signed_in"]
                   == before + 2)
        assert state(lab)["kdc_away"]
        assert "no KDC answers now" in lab.host("dssyncctl", "status").stdout


def test_it_is_said(offline):
    lab = offline
    log_in(lab, ALICE)
    with away(lab):
        result = lab.host("pamtester", "sshd", ALICE, "authenticate",
                          input=PASSWORD + "\n")
        assert result.returncode == 0, result.stdout + result.stderr
        assert SAID in result.stdout + result.stderr


def test_who_never_logged_in_and_who_mistypes(offline):
    lab = offline
    log_in(lab, ALICE)
    with away(lab):
        assert_refused(lab, ALICE, WRONG, "offline: wrong password")
        assert_refused(lab, "bartholomew.featherstonehaugh@contoso.com",
                       PASSWORD, "offline: there is no verifier")
        assert_offline(lab, ALICE)


def from_elsewhere(lab, user):
    """What a stranger's ssh shows of a wrong password."""
    result = lab.host(
        "sshpass", "-p", WRONG, "ssh", "-o", "LogLevel=INFO", "-o",
        "UserKnownHostsFile=/root/hosts", "-o", "NumberOfPasswordPrompts=1",
        "-o", "PreferredAuthentications=keyboard-interactive", "-l", user,
        "host1", "true", timeout=60)
    return result.returncode, result.stderr.replace(user, "USER")


def test_a_stranger_learns_no_names(offline):
    """With a verifier, without one, nobody at all: one answer."""
    lab = offline
    log_in(lab, ALICE)
    users = (ALICE, "bartholomew.featherstonehaugh@contoso.com",
             "disabled@aaddscontoso.com", "ghost@aaddscontoso.com")
    with away(lab):
        from_elsewhere(lab, ALICE)  # the host's key is known after it
        answers = {user: from_elsewhere(lab, user) for user in users}
    assert "Permission denied" in answers[ALICE][1]
    assert len(set(answers.values())) == 1, answers


def test_a_ticket_is_no_password(offline):
    """CVE-2010-0014: a valid ticket stood in for the password."""
    lab = offline
    log_in(lab, ALICE)
    cache = f"/tmp/krb5cc_{lab.passwd(ALICE)[2]}"
    result = lab.host("kinit", "-E", "-c", f"FILE:{cache}", ALICE,
                      input=PASSWORD + "\n")
    assert result.returncode == 0, result.stderr
    lab.output("chown", ALICE, cache)
    with away(lab):
        lab.output("klist", "-s", "-c", f"FILE:{cache}")
        assert_refused(lab, ALICE, WRONG, "offline: wrong password")
    lab.output("rm", cache)


def test_the_domains_no_is_final(offline):
    """A KDC that answers is never overruled: the verifier knows an older
    password."""
    lab = offline
    log_in(lab, EVERGREEN)
    sam = lab.sam(EVERGREEN)
    lab.dc_output("samba-tool", "user", "setpassword", sam,
                  f"--newpassword={NEW}")
    try:
        admitted, words = attempt(lab, EVERGREEN, PASSWORD)
        assert not admitted and REFUSED not in words
        # And once the mirror knows, the old one is good for nothing more.
        lab.sync()
        with away(lab):
            assert_refused(lab, EVERGREEN, PASSWORD,
                           "offline: the password was changed")
    finally:
        lab.dc_output("samba-tool", "user", "setpassword", sam,
                      f"--newpassword={PASSWORD}")
        lab.sync()


def test_a_domain_that_is_back_is_asked(offline):
    """Its daemon notices by itself, and no verifier lets anybody in with a
    password that the domain refuses."""
    lab = offline
    log_in(lab, EVERGREEN)
    sam = lab.sam(EVERGREEN)
    with away(lab):
        assert_offline(lab, EVERGREEN)
        wait_until("that is reported", lambda: state(lab)["kdc_away"])
    # By itself it would take 30 seconds.
    wait_until("the KDC is noticed", lambda: not state(lab)["kdc_away"], 20)
    lab.dc_output("samba-tool", "user", "setpassword", sam,
                  f"--newpassword={NEW}")
    try:
        admitted, words = attempt(lab, EVERGREEN, PASSWORD)
        assert not admitted and REFUSED not in words, words
    finally:
        lab.dc_output("samba-tool", "user", "setpassword", sam,
                      f"--newpassword={PASSWORD}")


def at_once(lab, users):
    """How many of these right passwords, all at once, are accepted."""
    checks = "".join(f"(echo {PASSWORD} | pamtester sshd {user} authenticate "
                     ">/dev/null 2>&1 && echo in) & " for user in users)
    return lab.shell(checks + "wait").stdout.count("in\n")


def test_right_passwords_at_once(offline):
    """They wait for their turn, and make up for each other's tries."""
    lab = offline
    for user in (ALICE, HEIDI, IVAN):
        log_in(lab, user)
    burst = 8 * [ALICE] + 4 * [HEIDI, IVAN]
    with away(lab, "hang"):
        # All have waited for the KDC, and then nobody does.
        assert at_once(lab, burst) == len(burst), lab.log()[-4000:]
        assert at_once(lab, burst) == len(burst), lab.log()[-4000:]
        assert_refused(lab, ALICE, WRONG, "offline: wrong password")


# ---- what ends it ------------------------------------------------------------

def test_tries_outlive_a_restart(offline):
    lab = offline
    log_in(lab, FRANK)
    with away(lab):
        for _ in range(3):
            assert_refused(lab, FRANK, WRONG, "offline: wrong password")
        assert_refused(lab, FRANK, PASSWORD, "offline: too many tries")
        lab.daemon("restart")
        wait_until("auth is there again", lambda: lab.host(
            "test", "-S", "/run/dssync/pam.sock").returncode == 0)
        assert_refused(lab, FRANK, PASSWORD, "offline: too many tries")
    # The domain's word makes up for them.
    lab.sync()
    log_in(lab, FRANK)
    with away(lab):
        assert_offline(lab, FRANK)


def test_a_disabled_account_loses_its_verifier(offline, tenant):
    lab = offline
    log_in(lab, OLIVIA)
    guid = lab.ctl("user", OLIVIA)["objectGUID"]
    user_of(tenant, OLIVIA)["accountEnabled"] = False
    lab.apply(tenant)
    lab.sync()
    wait_until("its verifier is removed", lambda: lab.host(
        "test", "-e", f"{FOLDER}/{guid}.verifier").returncode == 1)
    with away(lab):
        admitted, words = attempt(lab, OLIVIA, PASSWORD)
        assert not admitted, words


def test_forget(offline):
    lab = offline
    log_in(lab, ALICE)
    log_in(lab, HEIDI)
    guid = lab.ctl("user", HEIDI)["objectGUID"]
    result = lab.host("dssyncctl", "forget", ALICE.upper())
    assert result.returncode == 0 and "dropped" in result.stdout, \
        result.stderr
    assert "there was none" in lab.output("dssyncctl", "forget", ALICE)
    with away(lab):
        assert_refused(lab, ALICE, PASSWORD, "offline: there is no verifier")
        assert_offline(lab, HEIDI)
        # An object that has no name any more, by its GUID.
        assert json.loads(lab.output("dssyncctl", "forget", "--json",
                                     guid)) == {"ok": True, "forgotten": 1}
        assert_refused(lab, HEIDI, PASSWORD, "offline: there is no verifier")
        lab.output("dssyncctl", "forget", "--all")
        wait_until("none is counted",
                   lambda: state(lab)["verifiers"] == 0)
    assert lab.host("dssyncctl", "forget", "nobody@x").returncode == 1
    assert lab.host("dssyncctl", "forget").returncode == 64
    assert lab.host("dssyncctl", "forget", "--all", ALICE).returncode == 64
    # Nobody is there to do it: that is said, and not taken for done.
    result = lab.shell(f"kill -KILL {lab.main_process('auth')}; "
                       "dssyncctl forget --all")
    assert result.returncode == 1
    assert "does not run" in result.stderr, result.stderr


def test_off_leaves_nothing(offline):
    lab = offline
    log_in(lab, ALICE)
    found = lab.output("stat", "-c", "%U %a", FOLDER, f"{FOLDER}/host.key")
    assert found == "dssync-auth 700\ndssync-auth 600\n"
    path = lab.lab.host.path(CONF)
    before = path.read_text()
    path.write_text(before.replace("offline = yes", "offline = no"))
    try:
        lab.daemon("restart")
        lab.sync()
        wait_until("the folder is gone", lambda: lab.host(
            "test", "-e", FOLDER).returncode == 1)
        with away(lab):
            admitted, words = attempt(lab, ALICE, PASSWORD)
            assert not admitted and "cannot check passwords now" in words
    finally:
        path.write_text(before)
        lab.daemon("restart")
        lab.sync()
