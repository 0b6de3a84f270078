# SPDX-License-Identifier: GPL-3.0-or-later
"""Live looks at one object, with dssync-auth's part played by the test."""

import contextlib
import json
import pathlib
import select
import subprocess
import time

import pytest

from laboratory import DSLAB, PATIENCE, SAM_DB, new_user

ALICE = "alice@aaddscontoso.com"
PEERS = pathlib.Path(__file__).with_name("sync_peers.py")
NOTFOUND, TIMEOUT, UNAVAIL = 3, 9, 11


class Peers:
    """sync_peers.py on the host, with the commands that its head tells."""

    def __init__(self, lab):
        lab.lab.host.path("/run/sync_peers.py").write_bytes(
            PEERS.read_bytes())
        self.process = subprocess.Popen(
            [str(DSLAB), "exec", "--name", lab.name, "--", "/usr/bin/python3",
             "/run/sync_peers.py", "/usr/libexec/dssync/dssync-sync"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            bufsize=1)

    def say(self, *words):
        print(*words, file=self.process.stdin, flush=True)

    def line(self, seconds=PATIENCE):
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        assert ready, "no answer"
        return self.process.stdout.readline().strip()

    def look(self, guid):
        self.say("look", guid)
        return json.loads(self.line())

    def pull(self, flags=0):
        self.say("pull", flags)
        assert self.line().startswith("done")

    def objects(self):
        self.say("wait", 0.2)
        self.say("status")
        return json.loads(self.line())["objects"]


@pytest.fixture
def peers(lab):
    lab.daemon("stop")
    with contextlib.ExitStack() as stack:
        stack.callback(lab.sync)
        stack.callback(lab.daemon, "start")
        peers = Peers(lab)
        stack.callback(peers.process.wait, PATIENCE)
        stack.callback(peers.process.stdin.close)
        peers.pull()
        yield peers


def look_until(peers, guid, code):
    """A look has two seconds, and the first one makes the connection."""
    deadline = time.monotonic() + PATIENCE
    while (answer := peers.look(guid))["code"] != code:
        assert time.monotonic() < deadline, answer
        peers.say("wait", 0.5)
    return answer


def guid_of(lab, upn):
    return lab.ldap_user(upn, "objectGUID")["objectGUID"][0]


def test_a_look_tells_what_the_directory_has(lab, peers):
    entry = lab.ldap_user(
        ALICE, "userAccountControl", "msDS-User-Account-Control-Computed",
        "accountExpires", "pwdLastSet", "sAMAccountName",
        "msDS-UserPasswordExpiryTimeComputed", "userPrincipalName")
    answer = look_until(peers, guid_of(lab, ALICE), 0)
    for name, attribute in (
            ("control", "userAccountControl"),
            ("computed", "msDS-User-Account-Control-Computed"),
            ("expires", "accountExpires"), ("set", "pwdLastSet"),
            ("password_expires", "msDS-UserPasswordExpiryTimeComputed"),
            ("sam", "sAMAccountName"), ("upn", "userPrincipalName")):
        assert str(answer[name]) == entry[attribute][0], name
    # What changed a moment ago is seen, by a connection that was kept.
    lab.dc_output("samba-tool", "user", "disable", entry["sAMAccountName"][0],
                  "-H", SAM_DB)
    try:
        assert look_until(peers, guid_of(lab, ALICE), 0)["control"] & 2
    finally:
        lab.dc_output("samba-tool", "user", "enable",
                      entry["sAMAccountName"][0],
                      "-H", SAM_DB)


def test_a_deleted_object_leaves_the_mirror_at_once(lab, peers, tenant):
    tenant["users"].append(new_user("looked-for@contoso.com"))
    lab.apply(tenant)
    guid = guid_of(lab, "looked-for@contoso.com")
    peers.pull()
    before = peers.objects()
    tenant["users"].pop()
    lab.apply(tenant)
    peers.pull()
    assert peers.objects() == before
    look_until(peers, guid, NOTFOUND)
    deadline = time.monotonic() + PATIENCE
    while peers.objects() == before:
        assert time.monotonic() < deadline
    assert peers.objects() == before - 1


def test_a_hung_server_is_no_answer_in_time(lab, peers):
    guid = guid_of(lab, ALICE)
    look_until(peers, guid, 0)
    lab.samba("hang")
    try:
        answer = peers.look(guid)
        # Once that is known, nobody waits for it.
        look_until(peers, guid, UNAVAIL)
    finally:
        lab.samba("resume")
    assert answer["code"] == TIMEOUT
    assert answer["upn"] == ""
    look_until(peers, guid, 0)
