# SPDX-License-Identifier: GPL-3.0-or-later
"""login.audit_file: a JSON line for every decision, whatever happens to the
file."""

import json
import re

import pytest

from laboratory import DOMAIN, PASSWORD, wait_until

ALICE = f"alice@{DOMAIN}"
GRACE = f"grace@{DOMAIN}"
WRONG = "Wrong-Horse-1"
FOLDER = "/var/log/dssync"
AUDIT = FOLDER + "/audit.json"
NEW = FOLDER + "/new"
# Every field that dssync-audit(7) knows, and whether it is a number.
FIELDS = {"time": str, "event": str, "user": str, "name": str, "guid": str,
          "uid": int, "service": str, "tty": str, "rhost": str, "ruser": str,
          "caller": int, "result": str, "reason": str, "kdc_ms": int}


@pytest.fixture(scope="module")
def audited(lab):
    """The lab, with a folder for the file and the file configured."""
    lab.output("mkdir", "-p", "-m", "750", FOLDER)
    try:
        with lab.configured(f"[login]\naudit_file = {AUDIT}"):
            lab.sync()
            yield lab
    finally:
        lab.output("rm", "-rf", FOLDER)


def records(lab, name=AUDIT):
    text = lab.output("cat", name)
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def logged(lab):
    return [line for line in lab.log().splitlines() if " audit event=" in line]


def pamtester(lab, user, password, *operations, as_user=None):
    who = ["runuser", "-u", as_user, "--"] if as_user else []
    return lab.host(*who, "pamtester", "sshd", user, *operations,
                    input=password + "\n")


def test_every_decision_is_one_json_line(audited):
    lab = audited
    mark = len(logged(lab))
    assert lab.ssh(ALICE, PASSWORD).returncode == 0
    lab.ssh("Grace@AADDSContoso.com", WRONG)
    pamtester(lab, f"disabled@{DOMAIN}", PASSWORD, "authenticate")
    pamtester(lab, f"mustchange@{DOMAIN}", PASSWORD, "authenticate")
    pamtester(lab, f"contractor@{DOMAIN}", "", "acct_mgmt")
    pamtester(lab, GRACE, PASSWORD, "authenticate", as_user=ALICE)
    pamtester(lab, ALICE, PASSWORD, "authenticate", as_user=ALICE)
    lab.host("pamtester", "-I", "tty=a\"b\\c\x1b[2J", "-I", "ruser=Müller",
             "sudo", GRACE, "authenticate", input=PASSWORD + "\n")
    found, lines = records(lab), logged(lab)[mark:]
    # The same decisions as on standard error, in the same order.
    assert len(found) == len(lines)
    for record, line in zip(found, lines):
        assert set(record) <= set(FIELDS)
        assert all(type(value) is FIELDS[key]  # a bool is no number
                   for key, value in record.items()), record
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
                            record["time"])
        assert f"event={record['event']} " in line
        assert f'result="{record["result"]}"' in line
        assert f'guid="{record["guid"]}"' in line
    assert [(r["event"], r["name"].split("@")[0], r["result"])
            for r in found] == [
        ("auth", "alice", "ok"), ("account", "alice", "ok"),
        ("auth", "grace", "bad-password"), ("auth", "disabled", "disabled"),
        ("auth", "mustchange", "new-password"),
        ("account", "contractor", "expired"), ("auth", "grace", "denied"),
        ("auth", "alice", "ok"), ("auth", "grace", "ok")]
    assert found[2]["user"] == "Grace@AADDSContoso.com"
    assert found[0]["rhost"] == found[2]["rhost"] != ""
    assert found[0]["uid"] == int(lab.passwd(ALICE)[2]) \
        == found[6]["caller"] == found[7]["caller"]
    assert "kdc_ms" not in found[5] and "kdc_ms" not in found[6]
    assert (found[8]["tty"], found[8]["ruser"]) == ("a\"b\\c\x1b[2J",
                                                    "Müller")


def test_file_is_roots_and_closed_to_others(audited):
    assert audited.output("stat", "-c", "%u %a %F", AUDIT).startswith(
        "0 640 regular")
    assert audited.host("runuser", "-u", "localuser", "--", "cat",
                        AUDIT).returncode != 0


@pytest.mark.parametrize("hangup", [False, True])
def test_rotation_loses_nothing(audited, hangup):
    """As logrotate does it: renamed, and at most a signal."""
    lab = audited
    lab.output("mv", AUDIT, AUDIT + ".1")
    before, mark = len(records(lab, AUDIT + ".1")), len(logged(lab))
    assert pamtester(lab, ALICE, PASSWORD, "authenticate").returncode == 0
    if hangup:
        lab.output("kill", "-HUP", *map(str, lab.pids("synccached")))
    wait_until("there is a new file", lambda: lab.host(
        "test", "-e", AUDIT).returncode == 0)
    pid = lab.pids("synccached")

    def written():
        assert pamtester(lab, GRACE, PASSWORD,
                         "authenticate").returncode == 0
        return records(lab)
    wait_until("it is written to", written)
    assert lab.pids("synccached") == pid
    # Whichever file a line went to, none is missing and none is out of turn.
    found = records(lab, AUDIT + ".1")[before:] + records(lab)
    assert found[0]["name"] == ALICE
    assert {r["name"] for r in found[1:]} == {GRACE}
    assert len(found) == len(logged(lab)) - mark


def test_full_disk_stops_no_login(audited):
    lab = audited
    lab.output("mount", "-t", "tmpfs", "-o", "size=16k,mode=750", "tmpfs",
               FOLDER)
    try:
        lab.shell(f"head -c 12000 /dev/zero > {FOLDER}/ballast; "
                  f"cat /dev/zero > {FOLDER}/more")
        wait_until("the file is the new folder's", lambda: lab.host(
            "test", "-e", AUDIT).returncode == 0)
        mark = len(lab.log())

        def lost():
            assert lab.ssh(ALICE, PASSWORD).returncode == 0
            return "audit_file: No space left" in lab.log()[mark:]
        wait_until("a line is lost", lost)
        for _ in range(3):
            assert lab.ssh(ALICE, PASSWORD).returncode == 0
        assert lab.log()[mark:].count("audit_file:") == 1
        lab.output("rm", FOLDER + "/ballast", FOLDER + "/more")
        assert lab.ssh(ALICE, PASSWORD).returncode == 0
        assert "audit_file: written again" in lab.log()[mark:]
        assert records(lab)[-1]["result"] == "ok"
    finally:
        lab.output("umount", "-l", FOLDER)


@pytest.mark.parametrize("spoil, problem", [
    (f"ln -s /etc/shadow {NEW}", "Too many levels of symbolic links"),
    (f"mkfifo {NEW}", "No such device or address"),
    (f"touch {NEW}; chmod 666 {NEW}", "its mode lets others"),
    (f"touch {NEW}; ln {NEW} {AUDIT}.2", "other names")])
def test_file_that_will_not_do(audited, spoil, problem):
    """Refused and reported once; logins go on, and so does the file later."""
    lab = audited
    shadow = lab.output("cat", "/etc/shadow")
    mark = len(lab.log())
    # In one step: where there is none, one is made at any time.
    lab.output("sh", "-ec", f"rm -rf {AUDIT}.*; {spoil}; mv -T {NEW} {AUDIT}")
    wait_until("it is reported", lambda: f"audit_file {AUDIT}: " in
               lab.log()[mark:])
    assert problem in lab.log()[mark:]
    assert pamtester(lab, ALICE, PASSWORD, "authenticate").returncode == 0
    lab.output("rm", "-rf", AUDIT, AUDIT + ".2")
    wait_until("there is a new file", lambda: lab.host(
        "test", "-f", AUDIT).returncode == 0)
    wait_until("it is written to", lambda: pamtester(
        lab, ALICE, PASSWORD, "authenticate").returncode == 0
        and records(lab))
    assert lab.output("cat", "/etc/shadow") == shadow
    assert lab.log()[mark:].count(f"audit_file {AUDIT}: ") == 1
