# SPDX-License-Identifier: GPL-3.0-or-later
"""What advisories about other login clients describe, tried here.

tests/README.md says for each advisory which test covers it; here are those
that need a whole host and are not in another file.
"""

import subprocess
import uuid
from contextlib import contextmanager

import pytest

from laboratory import DOMAIN, PASSWORD, group_of, user_of, wait_until
from terminal import converse
from test_auth import config, last_decision, still_mirror

ALICE = f"alice@{DOMAIN}"
GRACE = f"grace@{DOMAIN}"
WRONG = "Wrong-Horse-1"
ACCOUNTS = "/var/lib/dssync/private/accounts.1.snap"


def pam(lab, user, password, *stages, service="sshd", wrap=()):
    return lab.host(*wrap, "pamtester", service, user, *stages,
                    input=password + "\n")


@pytest.fixture(scope="module", autouse=True)
def service(lab):
    """The module alone, so that its own codes are seen."""
    lab.lab.host.write("/etc/pam.d/advisory", "".join(
        f"{kind} required pam_dssync.so\n" for kind in
        ("auth", "account", "session", "password")))
    yield
    lab.output("rm", "/etc/pam.d/advisory")


def test_empty_password_never_reaches_a_kdc(lab):
    """A simple bind without a password succeeds as nobody; and a KDC would
    count the attempt."""
    before = lab.log().count(" audit event=auth")
    result = pam(lab, GRACE, "", "authenticate", service="advisory")
    assert "Authentication failure" in result.stderr
    assert lab.log().count(" audit event=auth") == before
    # The daemon does not rely on that.
    assert auth_frame(lab, GRACE, b"") == 2
    assert 'reason="empty password"' in last_decision(lab)
    assert "kdc_ms" not in last_decision(lab)


FRAME = r"""
import socket, struct, sys
def text(data):
    return struct.pack("<I", len(data)) + data
guid, user, password = [bytes.fromhex(word) for word in sys.argv[1:]]
body = b"".join(map(text, (guid, user, b"test", b"", b"", b"", password)))
with socket.socket(socket.AF_UNIX) as s:
    s.connect("/run/dssync/pam.sock")
    s.sendall(struct.pack("<IHHI", len(body), 1, 1, 7) + body)
    head = s.recv(12, socket.MSG_WAITALL)
    print(struct.unpack("<I", s.recv(4))[0] if head else "nothing")
"""


def auth_frame(lab, user, password):
    """An AUTH request as no PAM module sends it; the result in the reply
    (lib/proto.h), or None."""
    guid = uuid.UUID(lab.ctl("user", user)["objectGUID"]).bytes_le
    answer = lab.output("/usr/bin/python3", "-c", FRAME, guid.hex(),
                        user.encode().hex(), password.hex() or "").strip()
    return None if answer == "nothing" else int(answer)


def test_password_at_the_limit(lab):
    """CVE-2020-10595: a byte over the limit, which no program lets a person
    type, so to the daemon itself."""
    assert auth_frame(lab, GRACE, b"p" * 1023) == 2
    assert 'result="bad-password"' in last_decision(lab)
    # libkrb5 takes one byte less than the protocol.
    assert auth_frame(lab, GRACE, b"p" * 1024) == 8
    assert auth_frame(lab, GRACE, b"p" * 1025) in (None, 8, 9)
    assert auth_frame(lab, GRACE, b"p" * 1024 + b"\0") in (None, 8, 9)
    assert auth_frame(lab, GRACE, PASSWORD.encode() + b"\0p") in (None, 8, 9)
    assert auth_frame(lab, GRACE, PASSWORD.encode()) == 0


# ---- sockets and files -----------------------------------------------------

def test_sockets_have_their_modes(lab):
    """CVE-2018-10852: who may speak to the daemon at all."""
    for name, mode in (("pam.sock", "600 root"), ("ctl.sock", "600 root"),
                       ("pam-user.sock", "666 root")):
        assert lab.output("stat", "-c", "%a %U",
                          f"/run/dssync/{name}").strip() == mode
    for name in ("pam.sock", "ctl.sock"):
        result = lab.host(
            "runuser", "-u", "localuser", "--", "/usr/bin/python3", "-c",
            "import socket, sys; "
            "socket.socket(socket.AF_UNIX).connect(sys.argv[1])",
            f"/run/dssync/{name}")
        assert "PermissionError" in result.stderr


def test_nothing_secret_can_be_read(lab):
    """CVE-2009-1073: as a local user and as the directory's process."""
    secret = ("/var/lib/dssync/store", "/var/lib/dssync/private",
              "/var/lib/dssync/auth", "/etc/krb5.keytab")
    for user, allowed in (("localuser", ()), (ALICE, ()),
                          ("dssync", secret[:1]),
                          ("dssync-auth", secret[1:3])):
        for path in secret:
            result = lab.host("runuser", "-u", user, "--", "sh", "-c",
                              'cat "$1" "$1"/* >/dev/null', "sh", path)
            denied = "Permission denied" in result.stderr
            assert denied == (path not in allowed), (user, path, result)


# ---- a caller's environment and arguments ----------------------------------

def test_a_setuid_caller_s_kerberos_environment(lab):
    """CVE-2009-0360, CVE-2009-0361: su keeps what an ordinary user has set,
    and neither the realm nor a file to overwrite is taken from it."""
    lab.output("sh", "-ec", "cat >/tmp/evil.conf <<E\n[libdefaults]\n"
               "default_realm = EVIL.EXAMPLE\n"
               "default_ccache_name = FILE:/tmp/evil.cc\nE\n"
               "chmod 644 /tmp/evil.conf; echo victim >/root/victim; "
               "rm -f /tmp/evil.cc")
    talk = converse(
        lab, ["runuser", "-u", "localuser", "--", "env",
              "KRB5_CONFIG=/tmp/evil.conf", "KRB5CCNAME=FILE:/root/victim",
              "KRB5_KTNAME=/tmp/evil.keytab", "su", ALICE, "-c",
              "echo cache=$KRB5CCNAME"], ("Password: $", PASSWORD))
    assert talk.status == 0, talk
    name = next(line for line in talk.lines if line.startswith("cache="))
    assert name != "cache=FILE:/root/victim", talk
    assert lab.output("cat", "/root/victim") == "victim\n"
    assert lab.host("test", "-e", "/tmp/evil.cc").returncode == 1


SHELL_WORDS = ["$(touch /tmp/ran)", "`touch /tmp/ran`", ";touch /tmp/ran",
               "|touch /tmp/ran", "a\ntouch /tmp/ran\n", "%s%s%n",
               "--help;touch /tmp/ran"]


@pytest.mark.parametrize("word", SHELL_WORDS)
def test_no_word_reaches_a_shell(lab, word):
    """CVE-2021-3621: command line arguments and login names."""
    for command in ("user", "group", "explain", "forget"):
        lab.host("dssyncctl", command, "--", word)
        lab.host("dssyncctl", command, f"{word}@{DOMAIN}")
    lab.host("dssyncctl", "auth-test", "--stdin", "--", word, input="x\n")
    lab.host("dssyncctl", "sync", "--", word)
    pam(lab, f"{word}@{DOMAIN}", PASSWORD, "authenticate", "acct_mgmt",
        "open_session")
    assert lab.host("test", "-e", "/tmp/ran").returncode == 1


# ---- policy ----------------------------------------------------------------

def account(lab, user):
    return pam(lab, user, "", "acct_mgmt", service="advisory")


@pytest.mark.parametrize("lines, who", [
    (f"allow_groups = No Such Group@{DOMAIN}", set()),
    (f"allow_users = nobody.here@{DOMAIN}", set()),
    (f"allow_groups = No Such Group@{DOMAIN}\n"
     f"allow_users = {GRACE}", {GRACE})])
def test_a_policy_that_names_nothing_denies(lab, lines, who):
    """CVE-2018-16838, and a name that is gone is no open door."""
    with config(lab, "", f"\n[login]\n{lines}\n"):
        for user in (ALICE, GRACE):
            assert (account(lab, user).returncode == 0) == (user in who)


def restart_auth(lab):
    before = lab.pids("dssync-auth")
    # Its workers go with it.
    lab.output("kill", str(lab.main_process("auth")))
    wait_until("another one serves", lambda: lab.pids("dssync-auth") and
               not set(before) & set(lab.pids("dssync-auth")))


def test_accounts_that_cannot_be_read_deny(lab):
    """What a decision needs is no file of ours any more."""
    assert account(lab, ALICE).returncode == 0
    with still_mirror(lab):
        for how in ("echo damaged >$1.new",
                    "cp $1 $1.new; chown dssync $1.new"):
            lab.output("cp", "-p", ACCOUNTS, "/root/accounts")
            lab.output("sh", "-ec", how + "; mv $1.new $1", "sh", ACCOUNTS)
            try:
                # One that runs keeps the good file that it has mapped.
                restart_auth(lab)
                assert account(lab, ALICE).returncode != 0, how
            finally:
                lab.output("cp", "-p", "/root/accounts", ACCOUNTS + ".new")
                lab.output("mv", ACCOUNTS + ".new", ACCOUNTS)
            assert account(lab, ALICE).returncode == 0


# ---- decisions while everything changes -------------------------------------

LOOP = """
import select, subprocess, sys
failed, n = [], 0
while n < 20 or not select.select([sys.stdin], [], [], 0)[0]:
    r = subprocess.run(sys.argv[1:], input="%s\\n", text=True,
                       capture_output=True)
    n += 1
    if r.returncode:
        failed.append(r.stdout + r.stderr)
print(n, len(failed), failed[:3])
"""


@contextmanager
def looping(lab, *command):
    """A command again and again on the host while the block runs, and 20
    times at least; ends with (how many times, how many failed, ...)."""
    host, outcome = lab.lab.host, []
    with subprocess.Popen(
            host.command(["/usr/bin/python3", "-c", LOOP % PASSWORD,
                          *command]),
            env=host.environment(), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True) as process:
        yield outcome
        outcome.extend(process.communicate()[0].split(None, 2))


def test_logins_while_the_mirror_is_published_anew(lab, tenant):
    """CVE-2026-12610, CVE-2023-3758: a decision sees the old set or the new
    one, never something between."""
    with config(lab, "", "\n[login]\nallow_groups = "
                f"Engineering@{DOMAIN}\n"):
        first = lab.status()["snapshot"]["generation"]
        with looping(lab, "pamtester", "advisory", ALICE, "authenticate",
                     "acct_mgmt") as outcome:
            for turn in range(3):
                # The group that lets her in changes, and so does she.
                user_of(tenant, ALICE)["jobTitle"] = f"Turn {turn}"
                members = group_of(tenant, "Platform Team")["members"]
                members.remove(GRACE) if GRACE in members \
                    else members.append(GRACE)
                lab.apply(tenant)
                lab.sync(*(["--full"] if turn == 1 else []))
        assert lab.status()["snapshot"]["generation"] >= first + 3
    assert int(outcome[0]) >= 20 and outcome[1] == "0", outcome


# ---- a compromised daemon ---------------------------------------------------

YES = r"""
import os, socket, struct
OK = {1: 2, 3: 4, 5: 6, 7: 8}
path = "/run/dssync/pam.sock"
os.path.exists(path) and os.unlink(path)
server = socket.socket(socket.AF_UNIX)
server.bind(path)
server.listen(64)
print("ready", flush=True)
while True:
    client = server.accept()[0]
    head = client.recv(12, socket.MSG_WAITALL)
    size, version, kind, seq = struct.unpack("<IHHI", head)
    client.recv(size, socket.MSG_WAITALL)
    body = struct.pack("<II", 0, 0)
    if kind == 1:
        body += struct.pack("<I", 0)
    elif kind != 3:
        body = struct.pack("<III", 0, 0, 0)
    client.sendall(struct.pack("<IHHI", len(body), version, OK[kind], seq)
                   + body)
    client.close()
"""


@pytest.fixture
def yes_server(lab):
    """dssync-auth is in somebody else's hands and says yes to everything."""
    lab.daemon("stop")
    lab.lab.host.spawn(["/usr/bin/python3", "-c", YES], "/var/log/yes.log",
                       "yes")
    wait_until("it listens", lambda: lab.host(
        "grep", "-q", "ready", "/var/log/yes.log").returncode == 0)
    yield
    lab.lab.host.stop_daemon("yes")
    lab.output("rm", "-f", "/run/dssync/pam.sock")
    lab.daemon("start")
    lab.sync()


def test_a_daemon_that_says_yes_admits_no_local_user(lab, yes_server):
    # So that the rest can fail: a user of the domain it does let in.
    assert lab.ssh(ALICE, WRONG).stdout == ALICE + "\n"
    for user in ("root", "localuser", "daemon", "dssync", "dssync-auth",
                 "nobody", f"ghost@{DOMAIN}", "root@localhost"):
        result = lab.ssh(user, WRONG)
        assert (result.returncode, result.stdout) == (5, ""), user
        assert pam(lab, user, WRONG, "authenticate").returncode != 0
        assert pam(lab, user, WRONG, "authenticate",
                   service="advisory").returncode != 0
