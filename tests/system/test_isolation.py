# SPDX-License-Identifier: GPL-3.0-or-later
"""What the processes that hold secrets may do, and who can look into them."""

import pytest

from laboratory import DOMAIN, PASSWORD, wait_until

ALICE = f"alice@{DOMAIN}"
AUTH, SYNC = ("/usr/libexec/dssync/" + name
              for name in ("dssync-auth", "dssync-sync"))
USERS = {AUTH: "dssync-auth", SYNC: "dssync"}


def as_user(user, *more):
    return ["setpriv", f"--reuid={user}", f"--regid={user}",
            *(more or ["--clear-groups"]), "--"]


def status(lab, pid):
    """/proc/PID/status by field."""
    text = lab.output("cat", f"/proc/{pid}/status")
    return {key: value.strip() for key, value in
            (line.split(":", 1) for line in text.splitlines())}


# A check of which the KDC never hears, and who is there meanwhile: they stand
# still, so that nobody ends or is replaced.  Prints the pids.
FREEZE = r"""
main=$2
echo "$0" | pamtester sshd "$1" authenticate >/dev/null 2>&1 &
for i in $(seq 500); do
    worker=$(pgrep -x dssync-auth | grep -vx "$main" | head -n 1)
    spare=$(pgrep -x dssync-spare)
    if [ -n "$worker" ] && [ -n "$spare" ]; then
        kill -STOP $main $worker $spare && echo $main $worker $spare && exit 0
        kill -CONT $main $worker $spare
    fi
    sleep 0.02
done
exit 1
"""


def logs_in(lab):
    return lab.host("pamtester", "sshd", ALICE, "authenticate",
                    input=PASSWORD + "\n").returncode == 0


@pytest.fixture(scope="module")
def processes(lab):
    """(pid, its user) by what it is, while a check hangs."""
    wait_until("the KDC is asked", lambda: logs_in(lab))
    main = str(lab.main_process("auth"))
    lab.samba("hang")
    try:
        pids = [int(pid) for pid in lab.output(
            "bash", "-c", FREEZE, PASSWORD, ALICE, main).split()]
        yield {"main": (pids[0], "dssync-auth"),
               "worker": (pids[1], "dssync-auth"),
               "spare": (pids[2], "dssync-auth"),
               "sync": (lab.main_process("sync"), "dssync")}
    finally:
        lab.samba("resume")
        lab.host("pkill", "-CONT", "-f", f"^{AUTH}( |$)")
    wait_until("passwords are checked", lambda: logs_in(lab))


def test_no_process_shows_its_secrets(lab, processes):
    """Not to another process of the same user, and not in a core dump."""
    peep = 'for f in environ maps mem; do head -c 1 "/proc/$0/$f"; done'
    for what, (pid, user) in processes.items():
        entry = status(lab, pid)
        uids, gids = entry["Uid"].split(), entry["Gid"].split()
        assert len(set(uids)) == len(set(gids)) == 1, what
        assert "0" not in uids + gids + entry["Groups"].split(), what
        assert entry["NoNewPrivs"] == "1", what
        for caps in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert int(entry[caps], 16) == 0, (what, caps)
        limits = lab.output("cat", f"/proc/{pid}/limits")
        assert [line.split()[4:6] for line in limits.splitlines()
                if line.startswith("Max core file size")] == [["0", "0"]], what
        seen = lab.host(*as_user(user), "sh", "-c", peep, str(pid))
        assert seen.stdout == "", what
        assert seen.stderr.count("Permission denied") == 3, seen.stderr
    # Of any other process of its own that user sees as much.
    seen = lab.host(*as_user("dssync-auth"), "sh", "-c",
                    "sleep 60 & " + peep.replace("$0", "$!")
                    + "; kill $!")
    assert "Permission denied" not in seen.stderr and seen.stdout != ""


def test_a_worker_locks_its_secrets(lab, processes):
    """Locks are not inherited.  The one that waits has only what it was born
    with: the host's ticket."""
    for what in ("main", "spare", "worker"):
        locked = status(lab, processes[what][0])["VmLck"]
        assert int(locked.split()[0]) > 0, what


def test_no_worker_outlives_its_main_process(lab, processes):
    lab.output("kill", "-KILL", str(processes["main"][0]))
    for what in ("worker", "spare"):
        pid = processes[what][0]
        wait_until(f"the {what} is gone", lambda pid=pid: lab.host(
            "test", "-e", f"/proc/{pid}").returncode)


@pytest.mark.parametrize("program", [AUTH, SYNC])
def test_nobody_else_runs_them(lab, program):
    """Started as whatever they must not be, they do nothing."""
    user = USERS[program]
    run = [program, "--config", "/etc/dssync/dssync.conf"]
    for start, why in (
            ([], "started as somebody else"),
            (as_user("localuser"), "started as somebody else"),
            (as_user(user, "--groups=4,27"), "started as somebody else"),
            (as_user(user, f"--groups={user}", "--inh-caps=+chown",
                     "--ambient-caps=+chown"), "capabilities are left")):
        result = lab.host(*start, *run, timeout=60)
        assert result.returncode == 1, start
        assert why in result.stderr, (start, result.stderr)
