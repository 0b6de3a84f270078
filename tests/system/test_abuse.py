# SPDX-License-Identifier: GPL-3.0-or-later
"""What callers without privilege may ask, and what they cannot spoil."""

import json
import re
import time
import uuid
from contextlib import contextmanager

import pytest

from laboratory import DOMAIN, PASSWORD, wait_until

ALICE = f"alice@{DOMAIN}"
GRACE = f"grace@{DOMAIN}"
WRONG = "Wrong-Horse-1"
USER_SOCKET = "/run/dssync/pam-user.sock"
# What gate.h promises for that socket, and job.h for its workers.
USER_CONNECTIONS = 128
UID_CONNECTIONS = 4
USER_WORKERS = 8

# COUNT clients, as each of the uids in turn, hang at the user socket: in its
# backlog or in the server, half of them with the beginning of a frame.  Who
# is cut off comes again.  What became of them stands in a file.
HANGERS = r"""
import json, os, select, socket, sys
path, count, uids = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
poll, inside, cut = select.poll(), {}, 0
outside = list(range(count))

def enter(number):
    client = socket.socket(socket.AF_UNIX)
    client.setblocking(False)
    os.seteuid(uids[number % len(uids)])
    try:
        client.connect(path)
        if number % 2:
            client.send(b"\x20\0\0\0\1\0\1\0")
    except BlockingIOError:
        return False   # the backlog is full
    except BrokenPipeError:
        pass           # cut off already, as poll() will say
    finally:
        os.seteuid(0)
    inside[client.fileno()] = client, number
    poll.register(client, select.POLLIN)
    return True

while True:
    while outside and enter(outside[-1]):
        outside.pop()
    for fd, what in poll.poll(20):
        poll.unregister(fd)
        client, number = inside.pop(fd)
        client.close()
        outside.insert(0, number)
        cut += 1
    with open("/tmp/hangers.new", "w") as stream:
        json.dump({"cut": cut, "inside": len(inside)}, stream)
    os.rename("/tmp/hangers.new", "/tmp/hangers")
"""


@contextmanager
def hangers(lab, users, count=1000):
    """1,000 clients that hang at the user socket; a function that tells how
    they fare."""
    uids = [int(lab.passwd(user)[2]) for user in users]
    lab.host("rm", "-f", "/tmp/hangers")
    lab.lab.host.spawn(
        ["/usr/bin/python3", "-c", HANGERS, USER_SOCKET, str(count),
         json.dumps(uids)], "hangers.log", "hangers")

    def fare():
        assert lab.lab.host.runs("hangers"), "the hanging clients are gone"
        result = lab.host("cat", "/tmp/hangers")
        return json.loads(result.stdout) if result.returncode == 0 else {}
    try:
        # Some thousand were cut off, or all places are taken.
        wait_until("the clients hang", lambda: fare().get("cut", 0) > count
                   or fare().get("inside", 0) > USER_CONNECTIONS)
        yield fare
    finally:
        lab.lab.host.stop_daemon("hangers")


def pamtester(lab, user, password, *operations, as_user=None, rhost=None):
    who = ["runuser", "-u", as_user, "--"] if as_user else []
    where = ["-I", f"rhost={rhost}"] if rhost else []
    result = lab.host(*who, "pamtester", *where, "sshd", user, *operations,
                      input=password + "\n")
    if as_user:
        # A user has no more than 16 answers a second, on a quick machine too.
        time.sleep(len(operations) / 8)
    return result


def last_decision(lab):
    return [line for line in lab.log().splitlines()
            if " audit event=" in line][-1]


def workers(lab):
    """How many check something; the one that waits for a check is called
    dssync-spare."""
    return int(lab.host("pgrep", "-x", "-c", "dssync-auth").stdout) - 1


def descriptors(lab):
    return int(lab.output("sh", "-c",
                          f"ls /proc/{lab.main_process('auth')}/fd | wc -l"))


def resident_kib(lab):
    text = lab.output("cat", f"/proc/{lab.main_process('auth')}/status")
    return int(re.search(r"VmRSS:\s*(\d+) kB", text)[1])


# ---- a screen locker: a program that runs as its user --------------------------

def test_locker_checks_its_own_user(lab):
    # In another spelling too: the object counts, not the name.
    for name in (ALICE, "Alice@AADDSContoso.com"):
        result = pamtester(lab, name, PASSWORD, "authenticate", "acct_mgmt",
                           as_user=ALICE)
        assert result.returncode == 0, result.stderr + lab.log()[-1500:]
    result = pamtester(lab, ALICE, WRONG, "authenticate", as_user=ALICE)
    assert result.returncode != 0
    assert 'result="bad-password"' in last_decision(lab)


def test_locker_learns_nothing_about_another_user(lab):
    for user in (GRACE, f"disabled@{DOMAIN}"):
        for password in (PASSWORD, WRONG):
            result = pamtester(lab, user, password, "authenticate",
                               as_user=ALICE)
            assert result.returncode != 0
            assert "Permission denied" in result.stderr
            assert 'reason="the caller is another user"' in \
                last_decision(lab)
            assert "kdc_ms" not in last_decision(lab)
        assert pamtester(lab, user, "", "acct_mgmt",
                         as_user=ALICE).returncode != 0
        assert 'result="denied" reason="the caller' in last_decision(lab)


def test_who_is_nobody_in_the_domain_gets_no_answer(lab):
    before = lab.log().count(" audit event=")
    result = pamtester(lab, ALICE, PASSWORD, "authenticate",
                       as_user="localuser")
    assert result.returncode != 0
    assert lab.log().count(" audit event=") == before


def test_a_thousand_hanging_clients(lab):
    """Root's socket does not notice them; what they cost is bounded."""
    users = [ALICE, GRACE] + [
        line.split(":")[0] for line in
        lab.output("getent", "-s", "dssync", "passwd").splitlines()]
    before = resident_kib(lab)
    with hangers(lab, users) as fare:
        result = lab.shell(
            "for i in $(seq 20); do "
            f"(echo {PASSWORD} | pamtester sshd {ALICE} authenticate "
            "acct_mgmt >/dev/null 2>&1; echo $?) & done; wait")
        assert result.stdout.split() == ["0"] * 20
        # All the while they were there; many are cut off at a time.
        wait_until("they hang", lambda: fare()["inside"] >= USER_CONNECTIONS)
        assert descriptors(lab) < USER_CONNECTIONS + USER_WORKERS + 64
        assert resident_kib(lab) < before + 8192
        # Root's have answered, and are about to end.
        wait_until("few work", lambda: workers(lab) <= USER_WORKERS)
        assert lab.ssh(GRACE, PASSWORD).stdout == GRACE + "\n"
    # And the others' screens unlock again.
    result = pamtester(lab, GRACE, PASSWORD, "authenticate", as_user=GRACE)
    assert result.returncode == 0, lab.log()[-1500:]


def test_one_user_does_not_shut_out_another(lab):
    with hangers(lab, [ALICE]):
        assert descriptors(lab) < UID_CONNECTIONS + 64
        for _ in range(3):
            result = pamtester(lab, GRACE, PASSWORD, "authenticate",
                               as_user=GRACE)
            assert result.returncode == 0, lab.log()[-1500:]


@pytest.mark.parametrize("frame", [
    b"", b"\0" * 12, b"\xff" * 64, b"\0\0\0\0\1\0\x20\0\0\0\0\0",
    b"\x18\0\0\0\1\0\1\0\0\0\0\0\x10\0\0\0" + b"\0" * 16 + b"\xff\0\0\0",
    b"\x18\0\0\0\1\0\1\0\0\0\0\0\xff\xff\xff\xff" + b"\0" * 20])
def test_malformed_requests_get_no_answer(lab, frame):
    code = ("import os, socket, sys; os.seteuid(int(sys.argv[1]))\n"
            "c = socket.socket(socket.AF_UNIX); c.connect(sys.argv[2])\n"
            "try:\n"
            "    c.sendall(bytes.fromhex(sys.argv[3]))\n"
            "    c.shutdown(socket.SHUT_WR); print(len(c.recv(100)))\n"
            "except ConnectionError:\n"
            "    print(0)  # with bytes that nobody read\n")
    pid = lab.main_process("auth")
    assert lab.output("/usr/bin/python3", "-c", code, lab.passwd(ALICE)[2],
                      USER_SOCKET, frame.hex()) == "0\n"
    assert lab.main_process("auth") == pid


# ---- guessing -----------------------------------------------------------------

HERE, ELSEWHERE = "192.0.2.1", "192.0.2.2"
DELAYED = 'result="delayed"'


def decisions(lab, mark):
    """The audit lines since the log was `mark` bytes long."""
    return [line for line in lab.log()[mark:].splitlines()
            if " audit event=auth " in line]


def bad_passwords(lab, upn):
    return int(lab.user_object(upn, "badPwdCount").get("badPwdCount",
                                                       ["0"])[0])


def test_guesses_are_delayed_where_they_come_from(lab):
    """They hold up nobody elsewhere, and are not passed on by the dozen."""
    user = f"wong@{DOMAIN}"
    assert pamtester(lab, user, PASSWORD, "authenticate",
                     rhost=ELSEWHERE).returncode == 0
    for _ in range(3):
        assert pamtester(lab, user, WRONG, "authenticate",
                         rhost=HERE).returncode != 0
    mark = len(lab.log())
    # Of six at once one waits for its turn, and then for the KDC, however
    # late the last of them comes; the KDC never hears of five.
    lab.samba("hang")
    guesses = (f"for i in 1 2 3 4 5 6; do echo {WRONG} | pamtester -I "
               f"rhost={HERE} sshd {user} authenticate & done; wait")
    right = (f"echo {PASSWORD} | pamtester -I rhost={ELSEWHERE} sshd {user} "
             "authenticate")
    try:
        lab.lab.host.spawn(["sh", "-c", guesses], "/dev/null", "guesses")
        wait_until("five are refused", lambda: sum(
            DELAYED in line for line in decisions(lab, mark)) == 5)
        # Elsewhere it begins while the one is still undecided.
        lab.lab.host.spawn(["sh", "-c", right], "/dev/null", "right")
        wait_until("both ask the KDC", lambda: workers(lab) >= 2)
        assert len(decisions(lab, mark)) == 5
    finally:
        lab.samba("resume")
    try:
        wait_until("both are checked",
                   lambda: len(decisions(lab, mark)) == 7)
    finally:
        lab.lab.host.stop_daemon("guesses")
        lab.lab.host.stop_daemon("right")
    results = [(f'rhost="{ELSEWHERE}"' in line, 'result="ok"' in line,
                'result="bad-password"' in line)
               for line in decisions(lab, mark)
               if DELAYED not in line]
    assert sorted(results) == [(False, False, True), (True, True, False)]
    # The right one has reset what was before it.
    assert bad_passwords(lab, user) < 2
    # After its turn the right password is good here, too, and ends it.
    assert pamtester(lab, user, PASSWORD, "authenticate",
                     rhost=HERE).returncode == 0
    assert bad_passwords(lab, user) == 0


def test_su_by_one_user_does_not_delay_another(lab):
    """Who calls su or sudo counts, not only whom it is for."""
    su = ["pamtester", "-I", "ruser=mallory", "sudo", ALICE,
          "authenticate"]
    for _ in range(4):
        assert lab.host(*su, input=WRONG + "\n").returncode != 0
    mark = len(lab.log())
    lab.lab.host.spawn(["sh", "-c", 'echo "$0" | "$@"', WRONG, *su],
                       "/dev/null", "su")
    try:
        for ruser in ("bob", "localuser"):
            assert lab.host("pamtester", "-I", f"ruser={ruser}", "sudo", ALICE,
                            "authenticate", input=PASSWORD + "\n"
                            ).returncode == 0
        assert lab.ssh(ALICE, PASSWORD).returncode == 0
        wait_until("the guess is checked",
                   lambda: len(decisions(lab, mark)) == 4)
    finally:
        lab.lab.host.stop_daemon("su")
    # Nobody was refused for another's sake; who comes first is the
    # machine's business.
    assert sorted(re.findall(r'result="([^"]*)"',
                             "".join(decisions(lab, mark)))) == \
        ["bad-password", "ok", "ok", "ok"]


def test_who_guesses_at_a_locker_waits_alone(lab):
    for _ in range(4):
        assert pamtester(lab, GRACE, WRONG, "authenticate",
                         as_user=GRACE).returncode != 0
    # Another user, and the same one at the door.
    assert pamtester(lab, ALICE, PASSWORD, "authenticate",
                     as_user=ALICE).returncode == 0
    assert pamtester(lab, GRACE, PASSWORD, "authenticate").returncode == 0
    assert pamtester(lab, GRACE, PASSWORD, "authenticate",
                     as_user=GRACE).returncode == 0


def test_unknown_and_wrong_look_the_same(lab):
    """No text tells which names there are.  A locked account has no text
    either, but a code of its own: test_error_table.py, test_locked."""
    def seen(user, password):
        result = pamtester(lab, user, password, "authenticate")
        return result.returncode, result.stdout, result.stderr
    nobody = seen(f"nobody.at.all@{DOMAIN}", WRONG)
    assert nobody[0] != 0
    for user in (ALICE, f"disabled@{DOMAIN}", f"contractor@{DOMAIN}",
                 f"mustchange@{DOMAIN}", f"expired@{DOMAIN}"):
        assert seen(user, WRONG) == nobody, user


def test_a_name_that_is_not_ours_costs_nothing(lab):
    """Not a question to the domain, nor one to dssync-auth."""
    auth = str(lab.main_process("auth"))
    lab.output("kill", "-STOP", auth)
    lab.samba("stop")
    try:
        assert pamtester(lab, "localuser", "Local-Pass-1",
                         "authenticate").returncode == 0
        for user in ("root", f"nobody.at.all@{DOMAIN}", "nobody"):
            result = pamtester(lab, user, WRONG, "authenticate")
            assert "Authentication failure" in result.stderr or \
                "not known" in result.stderr
    finally:
        lab.samba("start")
        lab.output("kill", "-CONT", auth)
        lab.sync()


# ---- a KDC that takes a request and never answers ------------------------------

WORKERS = 64  # job.h


def waiting(lab):
    return lab.host("pgrep", "-x", "dssync-spare").stdout.split()


def one_waits(lab):
    """The only one, and not one that is about to be replaced."""
    found = waiting(lab)
    time.sleep(0.5)
    return found if len(found) == 1 and waiting(lab) == found else None


def test_a_worker_waits_for_the_next_check(lab):
    """It serves once, another takes its place, and what the mirror brings
    makes it worthless."""
    before = wait_until("one waits", lambda: one_waits(lab))
    lab.samba("hang")
    lab.lab.host.spawn(["sh", "-c", f"echo {PASSWORD} | pamtester sshd "
                        f"{ALICE} authenticate"], "/dev/null", "check")
    try:
        wait_until("it has the check", lambda: lab.host(
            "cat", f"/proc/{before[0]}/comm").stdout == "dssync-auth\n")
    finally:
        lab.samba("resume")
    wait_until("it is gone",
               lambda: lab.host("test", "-e", f"/proc/{before[0]}").returncode)
    after = wait_until("another waits", lambda: one_waits(lab))
    assert after != before
    assert 'result="ok"' in last_decision(lab)
    lab.dc_output("samba-tool", "user", "disable", "grace")
    try:
        lab.sync()
        wait_until("one that knows the new mirror waits",
                   lambda: waiting(lab) not in ([], after))
        result = pamtester(lab, GRACE, PASSWORD, "authenticate")
        assert result.returncode != 0
    finally:
        lab.dc_output("samba-tool", "user", "enable", "grace")
        lab.sync()
    result = pamtester(lab, GRACE, PASSWORD, "authenticate")
    assert result.returncode == 0


# COUNT password checks at once, for a KDC is not waited for ever.
CHECKS = r"""
import socket, struct, sys
def text(data):
    return struct.pack("<I", len(data)) + data
count, words = int(sys.argv[1]), [bytes.fromhex(w) for w in sys.argv[2:]]
guid, user, password = words
body = b"".join(map(text, (guid, user, b"sshd", b"", b"", b"", password)))
checks = [socket.socket(socket.AF_UNIX) for _ in range(count)]
for check in checks:
    check.connect("/run/dssync/pam.sock")
    check.sendall(struct.pack("<IHHI", len(body), 1, 1, 7) + body)
for check in checks:
    check.recv(1)
"""


def test_a_stuck_kdc_holds_up_nobody_else(lab):
    """Every worker waits for it; whatever needs none goes on, more checks
    than fit are told so, and none is lost or left."""
    count = WORKERS + 16
    assert lab.ssh(ALICE, PASSWORD).returncode == 0
    mark = len(lab.log())
    guid = uuid.UUID(lab.ctl("user", ALICE)["objectGUID"]).bytes_le
    lab.samba("hang")
    lab.lab.host.spawn(
        ["/usr/bin/python3", "-c", CHECKS, str(count), guid.hex(),
         ALICE.encode().hex(), PASSWORD.encode().hex()], "/dev/null",
        "checks")
    try:
        wait_until("all workers wait",
                   lambda: workers(lab) >= WORKERS)
        # A local user, a stranger, and the account phase of a user.
        assert pamtester(lab, "localuser", "Local-Pass-1",
                         "authenticate").returncode == 0
        assert pamtester(lab, f"ghost@{DOMAIN}", WRONG,
                         "authenticate").returncode != 0
        assert pamtester(lab, ALICE, "", "acct_mgmt").returncode == 0
        # Screen lockers have workers of their own.
        lab.lab.host.spawn(["runuser", "-u", GRACE, "--", "sh", "-c",
                            f"echo {PASSWORD} | pamtester sshd {GRACE} "
                            "authenticate"], "/dev/null", "locker")
        wait_until("the locker has its worker",
                   lambda: workers(lab) > WORKERS)
        assert workers(lab) <= WORKERS + USER_WORKERS + 2
        assert len(decisions(lab, mark)) == 0
    finally:
        lab.samba("resume")
    wait_until("all are answered",
               lambda: len(decisions(lab, mark)) == count + 1)
    wait_until("no worker is left", lambda: workers(lab) == 0)
    assert all('result="ok"' in line or 'result="unavailable"' in line
               for line in decisions(lab, mark))
    assert lab.ssh(ALICE, PASSWORD).returncode == 0
