# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab comes quickly, stands beside others, and leaves nothing but the cache
when it goes, at whatever moment somebody killed its `up`."""

import os
import random
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from laboratory import DSLAB, Laboratory, dslab, new_user, wait_until

KILLS = 20
WHOLE_START = 3.2       # seconds that `up` takes from the cache, about


def lab_processes(name):
    mark = f"DSLAB_LAB=/run/dslab/{name}".encode()
    found = set()
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in environ.read_bytes().split(b"\0"):
                found.add(environ.parent.name)
        except OSError:
            continue
    return found


def other_lab(process, name):
    try:
        environment = (process / "environ").read_bytes().split(b"\0")
    except OSError:
        return False
    marks = [e for e in environment if e.startswith(b"DSLAB_LAB=")]
    return bool(marks) and marks != [f"DSLAB_LAB=/run/dslab/{name}".encode()]


def still_in(seen, name):
    """(its line in /proc, the namespace) of each process in one of those,
    but for other labs': numbers are used again.

    A process that has cleared its environment is where a marked one is, too;
    and the dead wait for the machine's process 1, which may take minutes.
    """
    found, others = [], set()
    for process in Path("/proc").glob("[0-9]*"):
        other = other_lab(process, name)
        for kind in ("net", "mnt", "pid", "uts", "ipc"):
            try:
                link = os.readlink(process / "ns" / kind)
                line = (process / "stat").read_text()
            except OSError:
                continue
            if other:
                others.add(link)
            elif link in seen and line.rpartition(")")[2].split()[0] != "Z":
                found.append((line, link))
    found = [one for one in found if one[1] not in others]
    if found:
        print("still there:", found)
    return found


def ours(name):
    """In /tmp, where everybody writes: what a lab would call its own."""
    return re.search("dslab|samba|krb5cc|sshd", name)


def traces():
    """What a lab could leave on the machine."""
    folders = ("/run", "/tmp", "/var/log", "/var/lib", "/etc", "/home",
               "/root")
    return {
        "mounts": Path("/proc/self/mounts").read_text(),
        "interfaces": sorted(os.listdir("/sys/class/net")),
        "files": {folder: sorted(name for name in os.listdir(folder)
                                 if folder != "/tmp" or ours(name))
                  for folder in folders},
        "netns": sorted(os.listdir("/run/netns"))
        if os.path.isdir("/run/netns") else [],
    }


def assert_nothing_left(name, before, seen):
    assert lab_processes(name) == set()
    assert not Path("/run/dslab", name).exists()
    # The kernel drops a namespace a moment after its last process.
    wait_until("the namespaces go", lambda: not still_in(seen, name))
    after = traces()
    for kind in ("mounts", "interfaces", "netns"):
        assert after[kind] == before[kind], kind
    # Others may take theirs away meanwhile; more must not be there.
    more = {folder: set(names) - set(before["files"][folder])
            for folder, names in after["files"].items()}
    assert not any(more.values()), more


def box_namespaces(name):
    found = set()
    for pid in lab_processes(name):
        for kind in ("net", "mnt", "pid", "uts", "ipc"):
            try:
                link = os.readlink(f"/proc/{pid}/ns/{kind}")
            except OSError:
                continue
            if link != os.readlink(f"/proc/self/ns/{kind}"):
                found.add(link)
    return found


@pytest.fixture(scope="module")
def second(lab):
    """Another lab beside the first, whose image of the domain it takes."""
    laboratory = Laboratory(lab.name + "-second")
    laboratory.down()
    laboratory.before = traces()
    result = dslab("up", "--no-product", "--name", laboratory.name)
    assert result.returncode == 0, result.stderr
    laboratory.said = result.stdout
    laboratory.use()
    yield laboratory
    laboratory.down()


def test_two_labs_side_by_side(lab, second):
    """Same names, same addresses, and neither sees the other."""
    tenant = second.default_tenant()
    tenant["users"].append(new_user("only.second@contoso.com"))
    second.apply(tenant)
    assert second.ldap_user("only.second@contoso.com")
    assert lab.ldapsearch("(userPrincipalName=only.second@contoso.com)") == []
    for one in (lab, second):
        assert one.output("hostname") == "host1\n"
        assert "10.99.0.20/24" in one.output("ip", "-br", "address")
    assert box_namespaces(lab.name).isdisjoint(box_namespaces(second.name))
    second.samba("stop")
    assert lab.ldap_user("alice@aaddscontoso.com")


def test_a_second_start_is_from_the_image(second):
    assert "ready" in second.said
    assert "provisioning" not in second.said


def test_down_leaves_nothing(second):
    seen = box_namespaces(second.name)
    assert len(seen) >= 15      # three boxes, five kinds
    second.down()
    assert_nothing_left(second.name, second.before, seen)
    second.down()       # and once more is no error


def start_up(name, environment=None):
    """As from a terminal: a test run in the background ignores Ctrl-C, and
    what it starts would inherit that."""
    return subprocess.Popen(
        [str(DSLAB), "up", "--no-product", "--quiet", "--name", name],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=environment,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


@pytest.mark.parametrize("turn", range(KILLS))
def test_down_after_a_killed_up(lab, tmp_path, turn):
    """Every fifth time without the cached image, while one is being made."""
    name = lab.name + "-kill"
    how = (signal.SIGKILL, signal.SIGINT)[turn % 2]
    environment, longest = dict(os.environ), WHOLE_START
    if turn % 5 == 0:
        environment["DSLAB_CACHE"] = str(tmp_path / "cache")
        longest = 12
    moment = random.uniform(0, longest)
    print(f"{how.name} after {moment:.2f} s")
    before = traces()
    process = start_up(name, environment)
    # Not a wait for something: the moment of the kill is the test.
    time.sleep(moment)
    process.send_signal(how)
    seen = box_namespaces(name)
    if how == signal.SIGINT:
        # It cleans up by itself, if it was not done already.
        if process.wait(120) == 130:
            assert_nothing_left(name, before, seen)
    process.wait()
    seen |= box_namespaces(name)
    result = subprocess.run([str(DSLAB), "down", "--name", name], timeout=120,
                            env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert_nothing_left(name, before, seen)
    cache = Path(environment.get("DSLAB_CACHE", "/var/cache/dslab"))
    if cache.exists():
        assert not [f for f in os.listdir(cache) if f".{name}." in f]


def test_interrupted_up_cleans_up_by_itself(lab):
    name = lab.name + "-kill"
    before = traces()
    process = start_up(name)
    wait_until("the lab has a machine", lambda: lab_processes(name))
    seen = box_namespaces(name)
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == 130
    assert_nothing_left(name, before, seen)


def test_purge_removes_the_cache(tmp_path):
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "domain-0.tar").write_text("")
    result = subprocess.run(
        [str(DSLAB), "down", "--purge", "--name", "systest-none"],
        env={**os.environ, "DSLAB_CACHE": str(cache)}, timeout=120)
    assert result.returncode == 0 and not cache.exists()
