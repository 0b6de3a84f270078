# SPDX-License-Identifier: GPL-3.0-or-later
"""The mirror follows the tenant, and what breaks never breaks a lookup."""

import contextlib
import json
import re
import threading
import time

import pytest

from laboratory import (PASSWORD, SAM_DB, SNAPSHOT, group_of, new_user, user_of,
                        wait_until)

ALICE = "alice@aaddscontoso.com"
CONF = "/etc/dssync/dssync.conf"
KEYTAB = "/etc/krb5.keytab"
STAGES = ("dssync-sync", "dssync-auth", "synccached")


# ---- changes arrive --------------------------------------------------------

@contextlib.contextmanager
def notified_only(lab):
    """No pull but a notification's within the test."""
    daemon = restarted_with(lab, "printf '[sync]\\ninterval = 1h\\n' "
                            f">>{CONF}")
    with daemon as log:
        lab.sync()
        yield log


def arrives(lab, tenant, upn):
    tenant["users"].append(new_user(upn))
    lab.apply(tenant)
    wait_until("the user is on the host", lambda: lab.passwd(upn))


def test_a_new_user_arrives_by_itself(lab, tenant):
    with notified_only(lab):
        arrives(lab, tenant, "arrives@contoso.com")
    assert lab.ssh("arrives@contoso.com", PASSWORD).returncode == 0
    assert "all staff@aaddscontoso.com" not in \
        lab.group_names("arrives@contoso.com")


def test_notifications_go_on_after_the_connection_was_lost(lab, tenant):
    with notified_only(lab) as log:
        assert lab.status()["sync"]["notify"] is True
        lab.samba("stop")
        wait_until("that is noticed", lambda: lab.status()["sync"][
            "notify"] is False)
        lab.samba("start")
        # Nobody asks for it; what happened meanwhile comes with it.
        wait_until("it asks for notifications again", lambda: lab.status()[
            "sync"]["notify"] is True)
        arrives(lab, tenant, "afterwards@contoso.com")
        assert log().count("connected to dc1") >= 2


def test_publications_are_two_seconds_apart(lab):
    entry, published = lab.ldap_user(ALICE, "title"), []
    title = entry["title"][0]
    for text in ("One", "Two", "Three", title):
        lab.set(entry, title=text)
        lab.sync()
        assert lab.ctl("user", ALICE)["attributes"]["title"] == text
        published.append(lab.lab.host.path(SNAPSHOT).stat().st_mtime)
    # Also where somebody asks for each; the clock may be slewed meanwhile.
    assert all(b - a > 1.9 for a, b in zip(published, published[1:]))


def test_status_tells_how_fresh_the_mirror_is(lab):
    entry = lab.ldap_user(ALICE, "title")
    for title in ("Watched", entry["title"][0]):
        lab.set(entry, title=title)
        lab.sync()
    status, now = lab.status(), time.time()
    sync, text = status["sync"], lab.output("dssyncctl", "status")
    assert now - 30 < sync["last_change"] <= sync["last_pull"] + 5 < now + 6
    assert sync["last_pull"] <= sync["next_try"] <= now + 31
    assert 0 < sync["lag_ms"] < 30000
    assert sync["last_error"] is None and sync["held_count"] == 0
    for row in (r"generation \d+, published \d+ s ago",
                rf"mirrored +{sync['users']} users, {sync['groups']} groups",
                r"last pull +\d+ s ago, next (in \d+ s|\d+ s ago)",
                r"last change +published \d+ s ago, \d+\.\d{3} s after it "
                r"was noticed",
                r"changes +by dirsync: .*replication right",
                r"problems +none"):
        assert re.search(row, text), (row, text)


def test_a_deleted_user_goes(lab, tenant):
    tenant["users"].append(new_user("goes@contoso.com"))
    lab.apply(tenant)
    lab.sync()
    assert lab.passwd("goes@contoso.com")
    tenant["users"].pop()
    lab.apply(tenant)
    # Deletions are invisible to a computer account: a listing finds them.
    lab.sync("--full")
    assert lab.passwd("goes@contoso.com") is None


def test_who_is_made_anew_under_the_same_name(lab):
    def group():
        return lab.group("phoenix@aaddscontoso.com")

    def make(*verb):
        lab.dc_output("samba-tool", "group", *verb, "Phoenix", "-H", SAM_DB)

    make("add")
    lab.sync()
    before = group()
    make("delete")
    make("add")
    try:
        # Nobody says that the older one is gone.
        wait_until("the name is the new one's", lambda: group() and
                   group()[2] != before[2])
        lab.sync()
        assert lab.status()["problems"] == []
    finally:
        make("delete")
        lab.sync("--full")


# Deleted, and its tombstone reanimated (MS-ADTS 3.1.1.5.3.7).
BACK = """
import sys, ldb
from dslab_lib.domain import open_sam
sam = open_sam()
entry = sam.search(sys.argv[1], ldb.SCOPE_BASE, attrs=["objectGUID"])[0]
guid = sam.schema_format_value("objectGUID", entry["objectGUID"][0]).decode()
sam.delete(entry.dn)
back = ldb.Message(ldb.Dn(sam, f"<GUID={guid}>"))
for name, values, how in (
        ("isDeleted", [], ldb.FLAG_MOD_DELETE),
        ("distinguishedName", str(entry.dn), ldb.FLAG_MOD_REPLACE)):
    back[name] = ldb.MessageElement(values, how, name)
sam.modify(back, controls=["show_deleted:1"])
"""


def test_who_was_deleted_and_is_back_is_in_no_group(lab):
    user, group = "lazarus@aaddscontoso.com", "bethany@aaddscontoso.com"
    lab.make_member("lazarus", "Bethany")
    try:
        lab.sync()
        before = lab.passwd(user)
        assert lab.group(group)[3] == user
        # The host sleeps; nobody says afterwards that there was a deletion.
        lab.daemon("stop")
        try:
            dn = lab.object("(sAMAccountName=lazarus)", "cn")["dn"]
            lab.dc_output("env", "PYTHONPATH=/run/dslab",
                          "PYTHONDONTWRITEBYTECODE=1", "/usr/bin/python3",
                          "-c", BACK, dn)
            assert "member" not in lab.object("(sAMAccountName=Bethany)",
                                              "member")
        finally:
            offset = len(lab.log())
            lab.daemon("start")
        lab.sync()
        assert "full load" not in lab.log()[offset:]
        assert lab.passwd(user)[2] == before[2]
        assert lab.group(group)[3] == ""
        assert group not in lab.group_names(user)
    finally:
        for kind, name in (("user", "lazarus"), ("group", "Bethany")):
            lab.dc_output("samba-tool", kind, "delete", name, "-H", SAM_DB)
        lab.sync("--full")


def test_a_disabled_account_cannot_log_in_any_more(lab, tenant):
    user = "leaver@contoso.com"
    assert lab.ssh(user, PASSWORD).returncode == 0
    user_of(tenant, user)["accountEnabled"] = False
    lab.apply(tenant)
    lab.sync()
    assert lab.ssh(user, PASSWORD).returncode != 0
    # It still owns its files.
    assert lab.passwd(user)[0] == user
    user_of(tenant, user)["accountEnabled"] = True
    lab.apply(tenant)
    lab.sync()
    assert lab.ssh(user, PASSWORD).returncode == 0


def test_membership_changes_arrive(lab, tenant):
    grace = "grace@aaddscontoso.com"
    kernel = "kernel team@aaddscontoso.com"
    assert kernel not in lab.group_names(grace)
    group_of(tenant, "Kernel Team")["members"].append(grace)
    lab.apply(tenant)
    lab.sync()
    assert kernel in lab.group_names(grace)
    assert "platform team@aaddscontoso.com" in lab.group_names(grace)
    group_of(tenant, "Kernel Team")["members"] = [grace]
    lab.apply(tenant)
    lab.sync()
    assert kernel not in lab.group_names(ALICE)
    assert "platform team@aaddscontoso.com" not in lab.group_names(ALICE)
    assert lab.group(kernel)[3] == grace


def test_a_new_group_arrives_with_its_members(lab, tenant):
    tenant["groups"].append({"displayName": "Brand New",
                             "members": [ALICE, "Ring A"]})
    lab.apply(tenant)
    lab.sync()
    members = lab.group("brand new@aaddscontoso.com")[3].split(",")
    assert sorted(members) == [ALICE, "heidi@contoso.com",
                               "ivan@contoso.onmicrosoft.com"]


def test_a_renamed_user_keeps_the_id(lab, tenant):
    before = lab.passwd("heidi@contoso.com")
    oid = lab.user_object("heidi@contoso.com",
                          "msDS-aadObjectId")["msDS-aadObjectId"][0]
    user = user_of(tenant, "heidi@contoso.com")
    user["id"] = oid
    user["userPrincipalName"] = "heidi.new@contoso.com"
    for group in tenant["groups"]:
        group["members"] = ["heidi.new@contoso.com" if m == before[0] else m
                            for m in group["members"]]
    lab.apply(tenant)
    lab.sync()
    assert lab.passwd("heidi@contoso.com") is None
    after = lab.passwd("heidi.new@contoso.com")
    assert after[2:4] == before[2:4]
    assert lab.passwd(before[2])[0] == "heidi.new@contoso.com"


# ---- lookups while something dies ------------------------------------------

class Lookups:
    """Looks a user up over and over on the host, and notes failures."""

    SCRIPT = """
import json, os, pwd, sys, time
name = sys.argv[1]
looked, failures, groups = 0, [], None
while not os.path.exists("/run/lookups-stop"):
    try:
        entry = pwd.getpwnam(name)
        if pwd.getpwuid(entry.pw_uid) != entry:
            failures.append("by uid: another entry")
        found = sorted(os.getgrouplist(name, entry.pw_gid))
        if found != (groups or found):
            failures.append(f"groups {found} were {groups}")
        groups = found
    except Exception as error:
        failures.append(repr(error))
    looked += 1
    time.sleep(0.001)
print(json.dumps({"looked": looked, "groups": len(groups),
                  "failures": failures[:20]}))
"""

    def __init__(self, lab, name):
        self.lab, self.name, self.result = lab, name, None
        self.thread = threading.Thread(target=self.look)

    def look(self):
        self.result = self.lab.host("/usr/bin/python3", "-c", self.SCRIPT,
                                    self.name, timeout=900)

    def __enter__(self):
        self.lab.output("rm", "-f", "/run/lookups-stop")
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.lab.output("touch", "/run/lookups-stop")
        self.thread.join()
        assert self.result.returncode == 0, self.result.stderr
        found = json.loads(self.result.stdout)
        assert found["failures"] == []
        assert found["looked"] > 50 and found["groups"] >= 5


def assert_whole(lab):
    """Everything that the directory holds is there, and logins work."""
    lab.sync()
    for upn in (ALICE, "driley@contoso.com", "olivia@contoso.com"):
        assert lab.passwd(upn)
    assert "engineering@aaddscontoso.com" in lab.group_names(ALICE)
    assert lab.status()["problems"] == []
    assert lab.ssh(ALICE, PASSWORD).returncode == 0, lab.log()[-1500:]


@pytest.mark.parametrize("victim", STAGES)
def test_killed_during_a_sync(lab, victim):
    before = len(lab.output("getent", "passwd").splitlines())
    with Lookups(lab, ALICE):
        for moment in (0.0, 0.02, 0.05, 0.1, 0.2, 0.4):
            wait_until(f"{victim} runs", lambda: lab.pids(victim))
            wait_until("the daemon listens", lambda: lab.status()["monitor"])
            lab.shell("dssyncctl sync --full >/dev/null 2>&1 & "
                      f"sleep {moment}; kill -KILL "
                      + " ".join(str(p) for p in lab.pids(victim))
                      + " || true")  # a worker among them may be gone
            if victim == "synccached":
                wait_until("the children went with it", lambda: not (
                    lab.pids("dssync-sync") or lab.pids("dssync-auth")))
            # Not to wait for the delay, which grows with each death.
            lab.daemon("restart")
        assert_whole(lab)
    assert len(lab.output("getent", "passwd").splitlines()) == before


def test_children_are_started_again(lab):
    for child in ("dssync-sync", "dssync-auth"):
        old = wait_until(f"{child} runs", lambda: lab.pids(child))
        # A worker among them may be gone already; what counts comes next.
        lab.host("kill", "-KILL", *[str(p) for p in old])
        wait_until(f"{child} is started again", lambda: set(
            lab.pids(child)) - set(old))
    assert_whole(lab)


def test_processes_have_their_users(lab):
    pids = {"dssync-sync": lab.main_process("sync"),
            "dssync-auth": lab.main_process("auth"),
            "synccached": lab.pids("synccached")[0]}
    found = {program: lab.output("ps", "-o", "user:20=", "-p",
                                 str(pids[program])).strip()
             for program in STAGES}
    assert found == {"dssync-sync": "dssync", "dssync-auth": "dssync-auth",
                     "synccached": "root"}


# ---- the domain controller is gone -----------------------------------------

def test_lookups_without_a_domain_controller(lab):
    with Lookups(lab, ALICE):
        lab.samba("stop")
        try:
            lab.host("dssyncctl", "sync")
            wait_until("status names the problem",
                       lambda: lab.status()["problems"])
            assert lab.passwd("not.there@contoso.com") is None
            # It may take its time, but it ends, and it is no.
            assert lab.ssh(ALICE, PASSWORD).returncode != 0
        finally:
            lab.samba("start")
        wait_until("the sync recovers", lambda: lab.host(
            "dssyncctl", "sync", "--wait").returncode == 0)
    assert_whole(lab)


def test_lookups_while_the_network_swallows_everything(lab):
    log_before = len(lab.log())
    lab.dc("ip", "route", "add", "blackhole", "10.99.0.20/32")
    try:
        with Lookups(lab, ALICE):
            lab.host("dssyncctl", "sync")
            wait_until("status names the problem",
                       lambda: lab.status()["problems"])
            assert len(lab.log()) > log_before
    finally:
        lab.dc("ip", "route", "del", "blackhole", "10.99.0.20/32")
    wait_until("the sync recovers", lambda: lab.host(
        "dssyncctl", "sync", "--wait").returncode == 0)
    assert_whole(lab)


# ---- a damaged snapshot ----------------------------------------------------

DAMAGES = {
    "truncated": 'truncate -s 5000 "$1"',
    "empty": ': >"$1"',
    "foreign": 'head -c 100000 /dev/urandom >"$1"',
    "removed": 'rm -f "$1"',
    "of another owner": 'chown localuser "$1"',
    "writable by all": 'chmod 666 "$1"',
    "one byte": 'printf "\\377" | dd of="$1" bs=1 seek=9001 conv=notrunc',
}


@pytest.mark.parametrize("how", DAMAGES)
def test_damaged_snapshot_is_replaced(lab, how):
    """The daemon checks at its start: what it finds broken, it renews."""
    good = lab.passwd(ALICE)
    lab.daemon("stop")
    try:
        # A copy takes its place, as a bad disk would leave it: running
        # processes keep the mapping of a file that is never cut.
        damage = DAMAGES[how].replace('"$1"', SNAPSHOT)
        lab.shell(f"cp -p {SNAPSHOT} {SNAPSHOT}.x && "
                  f"mv {SNAPSHOT}.x {SNAPSHOT}; {damage}")
        result = lab.host("getent", "passwd", ALICE)
        assert result.returncode in (0, 2)      # never a signal
        if result.returncode == 0:
            assert result.stdout.startswith(ALICE)
    finally:
        lab.daemon("start")
    wait_until("a new snapshot is there", lambda: lab.passwd(ALICE) == good
               and lab.shell(f'[ "$(stat -c "%U %a" {SNAPSHOT})" = '
                             '"root 644" ]').returncode == 0)
    assert_whole(lab)


# ---- bad surroundings: one clear line, lookups go on -------------------------

@contextlib.contextmanager
def restarted_with(lab, break_it):
    """Stop, break something with a shell line, start; put all back."""
    lab.daemon("stop")
    lab.shell(f"cp -a {KEYTAB} /root/keytab.good; "
              f"cp -a {CONF} /root/conf.good")
    result = lab.shell(break_it)
    assert result.returncode == 0, result.stderr
    offset = len(lab.log())
    lab.daemon("start")
    try:
        yield lambda: lab.log()[offset:]
    finally:
        lab.daemon("stop")
        lab.shell(f"cp -a /root/keytab.good {KEYTAB}; "
                  f"cp -a /root/conf.good {CONF}")
        lab.daemon("start")
        lab.sync()


@pytest.mark.parametrize("break_it, words", [
    (f"rm {KEYTAB}", ["krb5.keytab", "No such file"]),
    (f"chmod 644 {KEYTAB}", ["krb5.keytab", "0600"]),
    (f": > {KEYTAB}", ["krb5.keytab", "empty"]),
])
def test_bad_keytab(lab, break_it, words):
    with restarted_with(lab, break_it) as log:
        wait_until("status names it", lambda: all(
            word in lab.problems() for word in words))
        lines = [line for line in log().splitlines()
                 if all(word in line for word in words)]
        assert len(lines) == 1, log()
        assert lab.passwd(ALICE)
        assert lab.ssh(ALICE, PASSWORD).returncode != 0
    assert_whole(lab)


def test_wrong_realm(lab):
    """The host is joined to another domain than the configured one."""
    with restarted_with(lab, f"sed -i s/aaddscontoso/otherdomain/ {CONF}") \
            as log:
        wait_until("status names it", lambda: "otherdomain" in
                   lab.problems().lower())
        assert "otherdomain" in log().lower()


def test_unreachable_servers(lab):
    with restarted_with(lab, f"sed -i '/^name/a servers = "
                        f"nodc.aaddscontoso.com' {CONF}") as log:
        wait_until("status names it", lambda: "nodc.aaddscontoso.com" in
                   lab.problems())
        assert "nodc.aaddscontoso.com" in log()
        assert lab.passwd(ALICE)
    assert_whole(lab)


@pytest.mark.parametrize("line, words", [
    ("colour = red", ["dssync.conf:3", "colour"]),
    ("keytab = relative", ["dssync.conf:3", "keytab"]),
    ("[nonsense]", ["dssync.conf:3", "nonsense"]),
])
def test_bad_configuration_starts_nothing(lab, line, words):
    lab.daemon("stop")
    lab.shell(f"cp -a {CONF} /root/conf.good; printf '%s\\nx = y\\n' "
              f"'{line}' >>{CONF}")
    try:
        result = lab.host("synccached")
        assert result.returncode not in (0, 124)
        found = [text for text in result.stderr.splitlines()
                 if all(word in text for word in words)]
        assert len(found) == 1, result.stderr
        assert lab.pids("dssync-sync") == lab.pids("dssync-auth") == []
        check = lab.host("dssyncctl", "config", "--check")
        assert check.returncode != 0
        assert words[0] in check.stdout + check.stderr
        assert lab.passwd(ALICE)
    finally:
        lab.shell(f"cp -a /root/conf.good {CONF}")
        lab.daemon("start")
        lab.sync()


def test_missing_name_is_an_error(lab):
    lab.daemon("stop")
    lab.shell(f"cp -a {CONF} /root/conf.good; echo '[domain]' >{CONF}")
    try:
        result = lab.host("synccached")
        assert result.returncode not in (0, 124)
        assert "name" in result.stderr and "dssync.conf" in result.stderr
    finally:
        lab.shell(f"cp -a /root/conf.good {CONF}")
        lab.daemon("start")
        lab.sync()
