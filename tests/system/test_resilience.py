# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk is full, or nothing can be opened: what is published stays."""

import contextlib

import pytest

from laboratory import DOMAIN, new_user, user_of, wait_until

ALICE = f"alice@{DOMAIN}"
OLIVIA = "olivia@contoso.com"  # from on-premises
STATE = "/var/lib/dssync"


@contextlib.contextmanager
def full_disk(lab, folder):
    """The folder on a disk of its own, which is full; room() makes room."""
    path = f"{STATE}/{folder}"
    lab.daemon("stop")
    # A store that was used for long has pages to spare; a new one has not.
    lab.shell(f"rm -f {STATE}/store/*.mdb")
    lab.daemon("start")
    lab.sync()
    lab.daemon("stop")
    made = lab.shell(
        f"set -e; cp -a {path} /root/disk; "
        f"mount -t tmpfs -o size=8m,mode=$(stat -c %a {path}),"
        f"uid=$(stat -c %u {path}),gid=$(stat -c %g {path}) none {path}; "
        f"cp -a /root/disk/. {path}/; rm -r /root/disk; "
        # Of what is there already not a byte more.
        f"dd if=/dev/zero of={path}/fill bs=4k 2>/dev/null || true")
    assert made.returncode == 0, made.stderr
    lab.daemon("start")
    try:
        yield lambda: lab.output("rm", f"{path}/fill")
    finally:
        lab.daemon("stop")
        lab.shell(f"set -e; rm -f {path}/fill; cp -a {path} /root/disk; "
                  f"umount {path}; cp -a /root/disk/. {path}/; "
                  "rm -r /root/disk")
        lab.daemon("start")
        lab.sync()


@pytest.mark.parametrize("folder", ["store", "stage", "public"])
def test_a_full_disk_loses_nothing(lab, tenant, folder):
    before = lab.output("getent", "passwd")
    with full_disk(lab, folder) as room:
        tenant["users"] += [new_user(f"disk{n}@contoso.com")
                            for n in range(3)]
        for user in tenant["users"]:
            user["displayName"] = "Somebody Full"
        user_of(tenant, ALICE)["displayName"] = "Alice Full"
        lab.apply(tenant)
        wait_until("the status names it", lambda: "No space left" in
                   lab.problems())
        assert lab.output("getent", "passwd") == before
        # A start does not make it worse.
        lab.daemon("restart")
        wait_until("the status names it", lambda: "No space left" in
                   lab.problems())
        assert lab.output("getent", "passwd") == before
        offset = len(lab.log())
        room()
        lab.sync()
        assert lab.passwd(ALICE)[4] == "Alice Full"
        assert lab.passwd("disk2@contoso.com")
        assert lab.status()["problems"] == []
        # From where it was: neither anew, nor by way of a broken store.
        log = lab.log()[offset:]
        assert "full load" not in log and "damaged" not in log, log


def test_a_scope_that_cannot_be_stored(lab):
    """Another configuration shows nobody whom the store could not follow."""
    everybody = lab.output("getent", "passwd")
    conf = lab.lab.host.path("/etc/dssync/dssync.conf")
    before = conf.read_text()
    try:
        with full_disk(lab, "store") as room:
            lab.daemon("stop")
            conf.write_text(f"{before}\n[sync]\norigin = cloud\n")
            offset = len(lab.log())
            lab.daemon("start")
            wait_until("the log says so twice", lambda: lab.log()[
                offset:].count("the scope cannot be found: No space") > 1)
            # Nobody was taken away, and nobody is let in by mistake.
            assert lab.output("getent", "passwd") == everybody
            room()
            wait_until("the scope is in force", lambda: lab.host(
                "getent", "passwd", OLIVIA).returncode == 2)
            assert lab.passwd(ALICE)
            log = lab.log()[offset:]
            assert "load" not in log and "damaged" not in log, log
            conf.write_text(before)
    finally:
        conf.write_text(before)
        lab.daemon("restart")
        lab.sync()
    assert lab.output("getent", "passwd") == everybody


def limit_files(lab, count):
    """How many descriptors dssync-sync may have; its user may say so."""
    mine = lab.main_process("sync")
    for pid in lab.pids("dssync-sync"):
        result = lab.host("setpriv", "--reuid=dssync", "--regid=dssync",
                          "--clear-groups", "prlimit", f"--pid={pid}",
                          f"--nofile={count}:")
        # One that looked a name up may have gone.
        assert result.returncode == 0 or pid != mine, result.stderr


def test_out_of_descriptors(lab, tenant):
    before = lab.output("getent", "passwd")
    user_of(tenant, ALICE)["displayName"] = "Alice Open"
    limit_files(lab, 3)
    try:
        lab.apply(tenant)
        wait_until("the status names it", lambda: "Too many open files" in
                   lab.problems())
        assert lab.output("getent", "passwd") == before
    finally:
        limit_files(lab, 1024)
    lab.sync()
    assert lab.passwd(ALICE)[4] == "Alice Open"
    assert lab.status()["problems"] == []
