# SPDX-License-Identifier: GPL-3.0-or-later
"""A rogue KDC gets nobody in.

A second domain with the same name, the same accounts, even the same SIDs,
stands at the true one's address: name server, KDC and directory in one.  It
has its own keys, and the attacker knows every password in it.  Only the host
key, which it does not have, tells the two apart.
"""

import json
import tempfile
from contextlib import contextmanager

import pytest

from laboratory import DOMAIN, PASSWORD, Laboratory, user_of, wait_until
from test_auth import config, directory, last_decision

ALICE = f"alice@{DOMAIN}"
MUST_CHANGE = f"mustchange@{DOMAIN}"
ROGUE_PASSWORD = "Rogue-Horse-1"
REFUSED = 5  # sshpass's word for it


@pytest.fixture(scope="module")
def rogue(request):
    """Another lab, whose passwords for two of the users are its own."""
    laboratory = Laboratory(request.config.getoption("--lab") + "-rogue")
    laboratory.down()
    tenant = laboratory.default_tenant()
    for upn in (ALICE, MUST_CHANGE):
        profile = user_of(tenant, upn)["passwordProfile"]
        profile["password"] = ROGUE_PASSWORD
    with tempfile.NamedTemporaryFile("w", suffix=".json") as stream:
        json.dump(tenant, stream)
        stream.flush()
        try:
            laboratory.up(None, tenant=stream.name)
            # The labs' domains are made from one image: new keys, and so
            # many that the KDC has forgotten those of the image.
            for number in (1, 2, 3, 4):
                directory(laboratory, "sam.setpassword("
                          "'(sAMAccountName=krbtgt)', args[0])\n",
                          f"Rogue-Krbtgt-Key-{number}")
            yield laboratory
        finally:
            laboratory.down()


@contextmanager
def in_its_place(lab, rogue):
    """The true domain controller's cable is out, the rogue's is in."""
    true, false, switch = lab.lab.dc, rogue.lab.dc, lab.lab.switch
    switch.ip("link", "set", true.name, "nomaster")
    rogue.lab.switch.ip("link", "del", false.name)
    switch.ip("link", "add", "rogue", "up", "master", "br0", "type", "veth",
              "peer", "name", "eth0", "netns", str(false.pid))
    try:
        rogue.dc_output("sh", "-ec", f"ip address add {true.address}/24 dev "
                        "eth0; ip link set eth0 up")
        lab.output("ip", "neigh", "flush", "all")
        yield
    finally:
        switch.ip("link", "del", "rogue")
        switch.ip("link", "set", true.name, "master", "br0")
        rogue.lab.switch.plug_in(false, false.address + "/24")
        lab.output("ip", "neigh", "flush", "all")


def kinit(lab, user, password):
    """What any other program of the host makes of that KDC."""
    return lab.host("kinit", "-E", "-c", "MEMORY:", user,
                    input=password + "\n").returncode


def assert_refused(lab, user, why):
    result = lab.ssh(user, ROGUE_PASSWORD)
    decision = last_decision(lab)
    assert (result.returncode, result.stdout) == (REFUSED, ""), decision
    assert 'result="denied"' in decision and why in decision


@pytest.mark.parametrize("word", ["never", "try", "demand"])
def test_nobody_gets_in(lab, rogue, word):
    with config(lab, "", f"\n[login]\nfast = {word}\n"):
        assert lab.ssh(ALICE, PASSWORD).stdout == ALICE + "\n"
        with in_its_place(lab, rogue):
            # It is a KDC as good as any to a program that does not ask more.
            assert kinit(lab, ALICE, ROGUE_PASSWORD) == 0
            assert kinit(lab, ALICE, PASSWORD) != 0
            assert_refused(lab, ALICE, "host's keytab" if word == "never"
                           else "does not take the host's armour")
            # "Change your password": no ticket to prove anything with, and
            # by now it is known to have proven nothing.
            assert_refused(lab, MUST_CHANGE, "no ticket of the host's own")
        assert lab.ssh(ALICE, ROGUE_PASSWORD).returncode == REFUSED
        assert lab.ssh(ALICE, PASSWORD).stdout == ALICE + "\n"


def test_a_fresh_host_believes_it_no_more(lab, rogue):
    """No mark of FAST, no ticket kept: the daemon starts with the rogue."""
    with in_its_place(lab, rogue):
        lab.daemon("stop")
        lab.output("sh", "-c", "rm -f /var/lib/dssync/auth/fast.*")
        lab.daemon("start")
        assert_refused(lab, ALICE, "no ticket of the host's own")
        # And who it was that proved nothing can be seen.
        address = lab.lab.dc.address
        wait_until("it is reported", lambda: [
            doubt["kdc"] for doubt in lab.auth()["doubted"]] == [address])
        assert f"{address} has not proven to be one" in \
            lab.host("dssyncctl", "status").stdout
        wait_until("sync has tried", lambda: "no domain controller can be "
                   "used" in lab.problems())
    lab.sync()
    assert lab.ssh(ALICE, PASSWORD).stdout == ALICE + "\n"


def test_offline_is_no_way_round(lab, rogue):
    """It answers, so no verifier is asked: neither for its password nor for
    the true one."""
    with config(lab, "", "\n[login]\noffline = yes\n"):
        assert lab.ssh(ALICE, PASSWORD).stdout == ALICE + "\n"
        wait_until("a verifier is kept", lambda: lab.status()[
            "auth"]["offline"]["verifiers"] > 0)
        with in_its_place(lab, rogue):
            assert_refused(lab, ALICE, "does not take the host's armour")
            assert lab.ssh(ALICE, PASSWORD).returncode == REFUSED
            assert lab.auth()["offline"]["signed_in"] == 0
        assert lab.ssh(ALICE, PASSWORD).stdout == ALICE + "\n"


def test_it_does_not_reach_the_mirror(lab, rogue):
    user = "heidi@contoso.com"
    before = lab.passwd(user)
    directory(rogue, "dn = sam.search(sam.domain_dn(), 2, "
              "'(userPrincipalName=heidi@contoso.com)')[0].dn\n"
              "sam.modify_ldif(f'dn: {dn}\\nchangetype: modify\\n'\n"
              "    'replace: displayName\\ndisplayName: Rogue\\n')\n")
    with in_its_place(lab, rogue):
        # The connection that was there breaks; then it is asked for proof.
        wait_until("it is looked at", lambda: lab.host(
            "dssyncctl", "sync", "--wait").returncode != 0 and
            "dc1.aaddscontoso.com: getting the host's own ticket: "
            "Preauthentication failed" in lab.problems())
        assert lab.passwd(user) == before
    lab.sync()
    assert lab.passwd(user) == before
