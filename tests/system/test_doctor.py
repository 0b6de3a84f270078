# SPDX-License-Identifier: GPL-3.0-or-later
"""dssyncctl doctor and auth-test on a real host, well and broken."""

import contextlib
import json

import pytest

from laboratory import (DAEMON_LOG, NETBIOS, PASSWORD, dslab,
                        wait_until)

ALICE = "alice@aaddscontoso.com"
WRONG = "Wrong-Horse-1"


# ---- doctor ----------------------------------------------------------------

def doctor(lab, *prefix):
    """Its findings as (level, what, advice), and its exit status."""
    result = lab.host(*prefix, "dssyncctl", "doctor", "--json")
    document = json.loads(result.stdout)
    assert document["ok"] == (result.returncode == 0), result.stderr
    return [(f["level"], f["what"], f["advice"])
            for f in document["findings"]], result.returncode


def finds(lab, level, part):
    findings, status = doctor(lab)
    assert [f for f in findings if f[0] == level and part in f[1]], findings
    assert status == (1 if "problem" in {f[0] for f in findings} else 0)


@contextlib.contextmanager
def changed(lab, path, command):
    """A file of the host is another for a while; `command` sees it as $1."""
    lab.output("cp", "-p", path, "/root/kept")
    try:
        lab.output("sh", "-c", command, "sh", path)
        yield
    finally:
        lab.output("cp", "-p", "/root/kept", path)


def quiet(lab):
    """No check has failed since the start, and the first pull is done."""
    lab.daemon("restart")
    lab.sync()
    wait_until("auth has reported its key",
               lambda: (lab.status()["auth"] or {}).get("principal"))


def test_a_host_that_is_well(lab):
    quiet(lab)
    findings, status = doctor(lab)
    assert status == 0
    assert {f[0] for f in findings} == {"ok"}, findings
    said = " ".join(f[1] for f in findings)
    for part in ("_ldap._tcp.dc._msdcs.", "_kerberos._tcp.", "krb5.keytab",
                 "HOST1$", "knows this host by its key", "proved itself",
                 "nsswitch.conf: passwd",
                 "pam.d/sshd", "pam.d/su:", "sshd_config"):
        assert part in said
    text = lab.output("dssyncctl", "doctor").splitlines()
    assert len(text) == len(findings)
    assert all(line.startswith("ok  ") for line in text)


def test_without_privilege(lab):
    findings, status = doctor(lab, "runuser", "-u", "localuser", "--")
    assert status == 0
    assert [f for f in findings if f[0] == "warning"] == [
        ("warning", "synccached was not asked: only root may",
         "run it as root")]


@pytest.mark.parametrize("path, command, level, part", [
    ("/etc/nsswitch.conf", "sed -i 's/ dssync//' $1",
     "problem", "'passwd' does not ask dssync"),
    ("/etc/nsswitch.conf", "sed -i 's/files dssync/dssync files/' $1",
     "problem", "before files"),
    ("/etc/pam.d/common-account", "sed -i /dssync/d $1",
     "problem", "pam.d/sshd: no pam_dssync in 'account'"),
    ("/etc/pam.d/common-session", "sed -i /dssync/d $1",
     "warning", "pam.d/sshd: no pam_dssync in 'session'"),
    ("/etc/pam.d/common-account",
     "sed -i 's/.*pam_dssync.so/account sufficient pam_dssync.so/' $1",
     "problem", "its refusal counts for nothing"),
    ("/etc/pam.d/common-account",
     "sed -i 's/.*pam_dssync.so/account required pam_dssync.so/' $1",
     "problem", "it keeps local users out"),
    ("/etc/pam.d/common-account",
     "sed -i '1i account sufficient pam_unix.so' $1",
     "problem", "pam_unix.so ends 'account'"),
    ("/etc/ssh/sshd_config", "echo 'DenyUsers heidi@contoso.com' >>$1",
     "problem", "keeps nobody out"),
    ("/etc/ssh/sshd_config", "echo 'Match User heidi*' >>$1",
     "warning", "another spelling escapes it"),
    ("/etc/ssh/sshd_config", "sed -i /UsePAM/d $1",
     "problem", "sshd does not use PAM"),
    ("/etc/shells", "sed -i /bash/d $1", "warning", "/bin/bash"),
    ("/etc/krb5.keytab", "chmod 644 $1", "problem", "may read it"),
    ("/etc/resolv.conf", "echo nameserver 127.0.0.99 >$1",
     "problem", "nobody answers"),
    ("/etc/dssync/dssync.conf", "echo 'nmae = x' >>$1",
     "problem", "dssync.conf:")])
def test_a_host_that_is_not(lab, path, command, level, part):
    with changed(lab, path, command):
        finds(lab, level, part)


def test_the_deny_rule_does_fail_open(lab):
    """What doctor says of sshd is so; and what it advises works."""
    def login():
        return lab.ssh("heidi@contoso.com", PASSWORD).returncode

    sshd = "/etc/ssh/sshd_config"
    quiet(lab)  # it may have met one of the files above as it was
    try:
        with changed(lab, sshd, "echo 'DenyUsers heidi@contoso.com' >>$1"):
            lab.restart_sshd()
            assert login() == 0
            findings, _ = doctor(lab)
            advice = [f[2] for f in findings if "DenyUsers" in f[1]]
            assert advice == ["write DenyUsers heidi?contoso.com"]
        with changed(lab, sshd, "echo 'DenyUsers heidi?contoso.com' >>$1"):
            lab.restart_sshd()
            assert login() == 5
    finally:
        lab.restart_sshd()


def test_a_rule_of_pam_time_holds_nobody(lab):
    """What doctor says of it is so."""
    def account(user):
        return lab.host("pamtester", "sshd", user, "acct_mgmt").returncode

    with changed(lab, "/etc/security/time.conf", "for user in localuser "
                 f"{ALICE}; do echo \"*;*;$user;!Al0000-2400\"; done >>$1"):
        pam = lab.lab.host.path("/etc/pam.d/sshd")
        before = pam.read_text()
        pam.write_text("account required pam_time.so\n" + before)
        try:
            finds(lab, "problem", f"'{ALICE}' is no user's name to pam_time")
            assert account(ALICE) == 0 and account("localuser") != 0
        finally:
            pam.write_text(before)


def test_without_the_daemon(lab):
    lab.daemon("stop")
    try:
        finds(lab, "problem", "synccached does not run")
    finally:
        lab.daemon("start")
        lab.sync()


def test_without_a_domain_controller(lab):
    lab.samba("stop")
    try:
        lab.host("dssyncctl", "sync", "--wait")
        finds(lab, "problem", "domain controller: ")
    finally:
        lab.samba("start")
        lab.sync()


@pytest.fixture
def rotated_key(lab):
    """The computer account has another password than the keytab."""
    lab.dc("samba-tool", "user", "setpassword", "HOST1$",
           "--newpassword=Rotated-Elsewhere-1")
    lab.daemon("restart")
    yield
    lab.output("rm", "/etc/krb5.keytab")
    lab.lab.host.join()
    quiet(lab)


def test_a_key_that_the_domain_has_replaced(lab, rotated_key):
    wait_until("auth has tried",
               lambda: (lab.status()["auth"] or {}).get("last_error"))
    wait_until("sync has tried", lambda: lab.status()["sync"]["last_error"])
    finds(lab, "problem", "host key: the domain has another")
    document, status = auth_test(lab, ALICE, PASSWORD)
    assert status == 1
    assert document["steps"][-1]["step"] == "why"
    assert "host's own" in document["steps"][-1]["text"]


def test_a_key_that_was_replaced_just_now(lab):
    """Before anybody has tried to log in; the host's ticket is good still."""
    quiet(lab)
    assert lab.ssh(ALICE, PASSWORD).returncode == 0
    lab.dc("samba-tool", "user", "setpassword", "HOST1$",
           "--newpassword=Rotated-Elsewhere-2")
    try:
        finds(lab, "problem", "host key: the domain has another")
    finally:
        lab.output("rm", "/etc/krb5.keytab")
        lab.lab.host.join()
        quiet(lab)


def test_a_domain_that_is_away_just_now(lab):
    """sync has not noticed, and nobody has tried to log in."""
    quiet(lab)
    result = dslab("dc", "hang", "--name", lab.name)
    assert result.returncode == 0, result.stderr
    try:
        finds(lab, "problem", "KDC: no ticket of the host's own")
    finally:
        dslab("dc", "resume", "--name", lab.name)
        quiet(lab)


def test_a_clock_that_is_off(lab):
    """Also where logins still work: libkrb5 goes by the KDC's clock."""
    result = dslab("dc", "clock", "dc1", "+3600", "--name", lab.name)
    assert result.returncode == 0, result.stderr
    try:
        lab.daemon("restart")
        wait_until("a KDC has said its time", lambda: (
            lab.status()["auth"] or {}).get("clock"))
        finds(lab, "problem", "clock: the domain's is +3")
    finally:
        dslab("dc", "clock", "dc1", "0", "--name", lab.name)
        quiet(lab)


def test_a_computer_account_that_is_gone(lab):
    sam = "(sAMAccountName=HOST1$)"
    disabled = lab.dc("samba-tool", "user", "disable", "HOST1$")
    assert disabled.returncode == 0, disabled.stderr
    try:
        lab.daemon("restart")
        wait_until("auth has tried", lambda: (
            lab.status()["auth"] or {}).get("trouble") == "key")
        finds(lab, "problem", "host key: the domain has another")
    finally:
        lab.dc("samba-tool", "user", "enable", f"--filter={sam}")
        quiet(lab)


def test_a_domain_controller_that_is_none(lab):
    """A member machine in the list of servers does not prove itself."""
    lab.lab.host.start_rogue(lab.lab.dc)
    try:
        with changed(lab, "/etc/dssync/dssync.conf", "sed -i '/^name/a "
                     "servers = host1.aaddscontoso.com, "
                     "dc1.aaddscontoso.com' $1"):
            lab.daemon("restart")
            lab.sync()
            assert "host1.aaddscontoso.com is no domain controller of " \
                "aaddscontoso.com" in lab.log()
            finds(lab, "ok", "domain controller dc1.aaddscontoso.com proved "
                  "itself")
    finally:
        lab.lab.host.stop_daemon("rogue")
        quiet(lab)


# ---- auth-test -------------------------------------------------------------

def auth_test(lab, user, password, timeout=120):
    result = lab.host("dssyncctl", "auth-test", user, "--stdin", "--json",
                      input=password + "\n", timeout=timeout)
    document = json.loads(result.stdout)
    assert document["admitted"] == (result.returncode == 0)
    return document, result.returncode


def steps(document):
    return [(s["step"], s["ok"]) for s in document["steps"]]


@pytest.mark.parametrize("typed", [
    ALICE, "ALICE@AADDSContoso.com", f"{NETBIOS}\\alice",
    "heidi@contoso.com", "driley@aaddscontoso.com"])
def test_who_may_come_in(lab, typed):
    document, status = auth_test(lab, typed, PASSWORD)
    assert status == 0, document
    assert steps(document) == [
        ("name", True), ("passwd", True), ("account", True),
        ("password", True), ("policy", True)]
    assert not document["must_change"]


@pytest.mark.parametrize("typed, password, step, part, status", [
    (ALICE, WRONG, "password", "password was refused", 1),
    (ALICE, "", "password", "empty", 64),
    (ALICE, "x" * 1025, "password", "longer", 64),
    ("nobody.here@contoso.com", PASSWORD, "name", "explain", 1),
    ("alice", PASSWORD, "name", "explain", 1),
    ("localuser", "Local-Pass-1", "name", "explain", 1),
    ("disabled@aaddscontoso.com", PASSWORD, "account", "disabled", 1),
    ("contractor@aaddscontoso.com", PASSWORD, "account", "expired", 1)])
def test_where_it_stops(lab, typed, password, step, part, status):
    document, code = auth_test(lab, typed, password)
    assert code == status, document
    last = document["steps"][-1]
    assert (last["step"], last["ok"]) == (step, False)
    assert part in last["text"]


def test_a_password_that_must_be_changed(lab):
    document, status = auth_test(lab, "mustchange@aaddscontoso.com", PASSWORD)
    assert status == 1 and not document["admitted"]
    assert "must be changed" in json.dumps(document["steps"])


def test_a_password_that_was_changed_meanwhile(lab):
    """The mirror is behind: the domain's word counts, as at a login."""
    user = "mustchange@aaddscontoso.com"
    with changed(lab, "/etc/dssync/dssync.conf", "printf '[sync]\\n"
                 "interval = 1h\\nnotify = no\\n' >>$1"):
        quiet(lab)
        lab.dc("samba-tool", "user", "setpassword", "mustchange",
               "--newpassword=Changed-Already-1")
        try:
            document, status = auth_test(lab, user, "Changed-Already-1")
            assert status == 0 and not document["must_change"], document
            assert lab.ssh(user, "Changed-Already-1").returncode == 0
        finally:
            lab.dc("samba-tool", "user", "setpassword", "mustchange",
                   f"--newpassword={PASSWORD}",
                   "--must-change-at-next-login")
    quiet(lab)


def test_policy_is_the_last_step(lab):
    with changed(lab, "/etc/dssync/dssync.conf",
                 "printf '[login]\\nallow_users = heidi@contoso.com\\n' "
                 ">>$1"):
        quiet(lab)
        document, status = auth_test(lab, ALICE, PASSWORD)
        assert status == 1
        assert not document["steps"][-1]["ok"]
        assert "allow_users" in document["steps"][-1]["text"]
        assert auth_test(lab, "heidi@contoso.com", PASSWORD)[1] == 0
    quiet(lab)


def test_nsswitch_is_a_step(lab):
    with changed(lab, "/etc/nsswitch.conf", "sed -i 's/ dssync//' $1"):
        document, status = auth_test(lab, ALICE, PASSWORD)
    assert status == 1
    assert steps(document)[-1] == ("passwd", False)


def test_without_an_answer(lab):
    lab.daemon("stop")
    try:
        document, status = auth_test(lab, ALICE, PASSWORD)
    finally:
        lab.daemon("start")
        lab.sync()
    assert status == 69 and steps(document)[-1] == ("password", False)


def test_no_ticket_is_left(lab):
    def files():
        return lab.output("sh", "-c", "find /tmp /root /run/user "
                          "/var/lib/dssync/auth 2>/dev/null; true")

    before = files()
    assert auth_test(lab, ALICE, PASSWORD)[1] == 0
    assert files() == before


def test_for_root_alone(lab):
    result = lab.host("runuser", "-u", "localuser", "--", "dssyncctl",
                      "auth-test", ALICE, "--stdin", input=PASSWORD)
    assert result.returncode == 69 and "only root" in result.stderr


def at_terminal(lab, typed):
    """What the terminal shows while somebody types at the prompt."""
    script = """
        set timeout 30
        spawn dssyncctl auth-test $env(WHO)
        expect {
            -re "Password of \\\\S+: " {}
            default { exit 98 }
        }
        send "$env(TYPED)"
        expect eof
        catch wait result
        exit [lindex $result 3]"""
    return lab.host("env", f"WHO={ALICE}", f"TYPED={typed}", "expect",
                    "-c", script)


def test_at_a_terminal(lab):
    result = at_terminal(lab, PASSWORD + "\r")
    assert result.returncode == 0, result.stdout
    assert PASSWORD not in result.stdout
    assert "would be admitted" in result.stdout


def test_interrupted_at_the_prompt(lab):
    """The terminal has its echo again, nothing was asked."""
    # A shell without line editing: it leaves the terminal as it finds it.
    script = f"trap : INT; dssyncctl auth-test {ALICE}; stty -a"
    result = lab.host("env", f"SCRIPT={script}", "expect", "-c", """
        set timeout 30
        spawn sh -c $env(SCRIPT)
        expect "Password of"
        send "\\x03"
        expect eof""")
    assert "could not be read" in result.stdout
    modes = result.stdout.split()
    assert "echo" in modes and "-echo" not in modes, result.stdout


def test_no_password_in_the_log(lab):
    auth_test(lab, ALICE, WRONG)
    log = lab.output("cat", DAEMON_LOG)
    assert WRONG not in log and PASSWORD not in log
