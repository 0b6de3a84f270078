# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing that happens to the directory empties the host by accident."""

import contextlib
import json

import pytest

from laboratory import (DOMAIN_DN, PASSWORD, SAM_DB, group_of, new_user,
                        user_of, wait_until)
from test_idmap import HISTORY, OLIVIA, put_config, renumber, with_identity
from test_sync import host_sid

ALICE = "alice@aaddscontoso.com"
CONF = "/etc/dssync/dssync.conf"
MANY = [f"mass{n}@contoso.com" for n in range(35)]
UNIT = f"OU=Valve,{DOMAIN_DN}"


@contextlib.contextmanager
def configured(lab, *lines):
    """The host with these lines in [sync], and as it was afterwards."""
    lab.shell(f"cp -a {CONF} /root/conf.valve; "
              f"printf '%s\\n' '[sync]' {' '.join(map(repr, lines))} "
              f">>{CONF}")
    lab.daemon("restart")
    try:
        yield
    finally:
        lab.shell(f"cp -a /root/conf.valve {CONF}")
        lab.daemon("restart")
        lab.sync("--full", "--accept-deletes")
        assert lab.status()["sync"]["held_count"] == 0


# What may be denied, by schemaIDGUID, or of a property set its rightsGuid.
RESTRICTIONS = "4c164200-20c0-11d0-a768-00aa006e0529"
MEMBER = "bf9679c0-0de6-11d0-a285-00aa003049e2"
SID_HISTORY = "17eb4278-d167-11d0-b002-0000f80367c1"
# Puts an entry first in the list of each object, and prints what was there;
# or, given that, puts it back.
DESCRIPTORS = """
import base64, json, ldb, sys
from dslab_lib.domain import open_sam
from samba.dcerpc import security
from samba.ndr import ndr_pack, ndr_unpack
sam, name, old = open_sam(), "nTSecurityDescriptor", {}
domain, ace, dns = security.dom_sid(sam.get_domain_sid()), sys.argv[1], \
    json.loads(sys.argv[2])
def put(dn, data):
    m = ldb.Message(ldb.Dn(sam, dn))
    m[name] = ldb.MessageElement(data, ldb.FLAG_MOD_REPLACE, name)
    sam.modify(m)
for dn in dns:
    if not ace:
        put(dn, base64.b64decode(dns[dn]))
        continue
    data = sam.search(dn, ldb.SCOPE_BASE, attrs=[name])[0][name][0]
    old[dn] = base64.b64encode(data).decode()
    text = ndr_unpack(security.descriptor, data).as_sddl(domain)
    at = text.index("(")
    put(dn, ndr_pack(security.descriptor.from_sddl(
        text[:at] + ace + text[at:], domain)))
print(json.dumps(old))
"""


def descriptors(lab, ace, dns):
    return json.loads(lab.dc_output(
        "env", "PYTHONPATH=/run/dslab", "PYTHONDONTWRITEBYTECODE=1",
        "/usr/bin/python3", "-c", DESCRIPTORS, ace, json.dumps(dns)))


@contextlib.contextmanager
def denied(lab, right, *dns):
    """The host's account without a right on these objects."""
    before = descriptors(lab, f"{right}{host_sid(lab)})", dns)
    try:
        yield
    finally:
        descriptors(lab, "", before)
        lab.sync("--full")
        status = lab.status()
        assert status["problems"] == []
        assert status["sync"]["held_count"] == 0


def full_load(lab):
    return lab.host("dssyncctl", "sync", "--wait", "--full")


def generation(lab):
    return lab.status()["snapshot"]["generation"]


def users(lab):
    found = lab.output("getent", "-s", "dssync", "passwd").splitlines()
    return {line.split(":")[0] for line in found}


def groups(lab):
    found = lab.output("getent", "-s", "dssync", "group").splitlines()
    return {line.split(":")[0] for line in found}


def test_a_mass_deletion_is_held_and_the_rest_goes_on(lab, tenant):
    lab.apply({**tenant, "users": tenant["users"] + [
        new_user(upn) for upn in MANY]})
    lab.sync()
    before = users(lab)
    assert set(MANY) < before
    user_of(tenant, ALICE)["displayName"] = "Alice Valve"
    lab.apply(tenant)
    offset = len(lab.log())
    lab.sync("--full")
    assert users(lab) == before
    status = lab.status()
    assert status["sync"]["held_count"] == len(MANY)
    assert {name + "@contoso.com" for name in status["sync"]["held"]} \
        < set(MANY)
    assert "accept-deletes" in lab.problems()
    text = lab.shell("dssyncctl status").stdout
    assert "held back" in text and "and 15 more" in text
    log = lab.log()[offset:]
    assert "35 objects are gone" in log
    names = [n for n in MANY if f'"{n.split("@")[0]}" is held back' in log]
    assert len(names) == 20 and "15 more held back" in log
    explained = lab.host("dssyncctl", "explain", MANY[0]).stdout
    assert "gone from the directory" in explained
    # Everything else goes on: a change, a newcomer, one deletion more.
    assert lab.passwd(ALICE)[4] == "Alice Valve"
    tenant["users"] = [u for u in tenant["users"]
                       if u["userPrincipalName"] != "peggy@contoso.com"]
    tenant["users"].append(new_user("after@contoso.com"))
    lab.apply(tenant)
    lab.sync("--full")
    assert lab.passwd("after@contoso.com")
    assert users(lab) == before - {"peggy@contoso.com"} | {
        "after@contoso.com"}
    assert lab.ssh(MANY[0], PASSWORD).returncode != 0
    lab.sync("--accept-deletes")
    assert not users(lab) & set(MANY)
    assert lab.status()["problems"] == []


def test_only_the_members_of_some_groups(lab, tenant):
    group_of(tenant, "Kernel Team")["members"] = [ALICE]
    tenant["groups"].append({"displayName": "Valve Scope",
                             "members": ["Kernel Team",
                                         "heidi@contoso.com"]})
    lab.apply(tenant)
    lab.sync()
    everybody = users(lab)
    sid = lab.object("(sAMAccountName=Valve Scope)",
                     "objectSid")["objectSid"][0]
    for name in ("Valve Scope", "valve scope@aaddscontoso.com", sid):
        with configured(lab, f"groups = {name}"):
            # Without a word from the directory: the store has it all.
            wait_until("the scope is another one", lambda: users(lab) == {
                ALICE, "heidi@contoso.com"})
            assert groups(lab) == {"valve scope@aaddscontoso.com",
                                   "kernel team@aaddscontoso.com",
                                   "domain users@aaddscontoso.com"}
            if name != sid:
                continue
            assert lab.ssh(ALICE, PASSWORD).returncode == 0
            assert lab.ssh("driley@contoso.com", PASSWORD).returncode != 0
            assert "out of scope" in lab.host(
                "dssyncctl", "explain", "driley@contoso.com").stdout
            # Membership is followed as it changes.
            group_of(tenant, "Kernel Team")["members"] = [
                ALICE, "driley@contoso.com"]
            lab.apply(tenant)
            lab.sync()
            assert lab.passwd("driley@contoso.com")
        assert users(lab) == everybody


def test_another_scope_needs_no_domain_controller(lab):
    """The store has all of the domain: nothing is loaded for it."""
    everybody = users(lab)
    cloud = {name for name in everybody
             if lab.ctl("user", name)["origin"] == "cloud"}
    team = {name for name in everybody
            if "engineering@aaddscontoso.com" in lab.group_names(name)}
    synchronized = {name for name in everybody
                    if not lab.ctl("user", name)["custom_ou"]}
    wanted = {"origin = cloud": cloud, "origin = onprem": everybody - cloud,
              f"bases = OU=AADDC Users,{DOMAIN_DN}": synchronized,
              "groups = Engineering": team, "": everybody}
    assert all(found and (found < everybody) == bool(line)
               for line, found in wanted.items()), wanted
    conf = lab.lab.host.path(CONF)
    before = conf.read_text()
    offset = len(lab.log())
    lab.samba("stop")
    try:
        for line, found in wanted.items():
            conf.write_text(f"{before.rstrip()}\n[sync]\n{line}\n")
            lab.daemon("restart")
            wait_until(line, lambda: users(lab) == found)
        assert lab.ctl("user", ALICE)["attributes"].get("title")
        conf.write_text(f"{before}\n[sync]\nattributes = identity\n")
        lab.daemon("restart")
        wait_until("nothing is shown any more", lambda: not lab.ctl(
            "user", ALICE)["attributes"].get("title"))
        assert users(lab) == everybody
        log = lab.log()[offset:]
        assert "connected to" not in log and "full load" not in log, log
    finally:
        lab.samba("start")
        conf.write_text(before)
        lab.daemon("restart")
        lab.sync()
    assert lab.ctl("user", ALICE)["attributes"].get("title")


def test_a_scope_group_that_is_deleted_takes_nobody_away(lab, tenant):
    tenant["groups"].append({"displayName": "Valve Scope",
                             "members": [ALICE, "heidi@contoso.com"]})
    lab.apply(tenant)
    lab.sync()
    with configured(lab, "groups = Valve Scope"):
        both = {ALICE, "heidi@contoso.com"}
        wait_until("the scope is another one", lambda: users(lab) == both)
        tenant["groups"].pop()
        user_of(tenant, ALICE)["displayName"] = "Alice Alone"
        lab.apply(tenant)
        offset = len(lab.log())
        lab.sync("--full")
        assert users(lab) == both
        assert lab.passwd(ALICE)[4] == "Alice Alone"
        assert lab.status()["sync"]["held_count"] == 2
        assert 'sync.groups: "Valve Scope"' in lab.problems()
        assert 'sync.groups: "Valve Scope"' in lab.log()[offset:]
        assert "out of the scope" in lab.host(
            "dssyncctl", "explain", ALICE).stdout
        assert lab.ssh(ALICE, PASSWORD).returncode == 0
        # It is said again after a start, and nobody goes with that.
        lab.daemon("restart")
        wait_until("the daemon says so again", lambda: "Valve Scope" in
                   lab.problems())
        assert users(lab) == both
        lab.sync("--accept-deletes")
        assert users(lab) == set()


@pytest.fixture
def unit(lab):
    """A custom OU with three accounts, which may be gone afterwards."""
    lab.dc_output("samba-tool", "ou", "create", UNIT, "-H", SAM_DB)
    for name in ("valve1", "valve2", "valve3"):
        lab.dc_output("samba-tool", "user", "create", name, PASSWORD,
                      "--userou=OU=Valve", "-H", SAM_DB)
    lab.sync()
    yield {f"valve{n}@aaddscontoso.com" for n in (1, 2, 3)}
    lab.dc("samba-tool", "ou", "delete", UNIT, "--force-subtree-delete",
           "-H", SAM_DB)
    lab.sync("--full", "--accept-deletes")


@pytest.mark.parametrize("how", ["deleted", "renamed"])
def test_a_base_that_vanishes_takes_nobody_away(lab, unit, how):
    with configured(lab, f"bases = {UNIT}"):
        wait_until("the scope is another one", lambda: users(lab) == unit)
        before = generation(lab)
        if how == "deleted":
            lab.dc_output("samba-tool", "ou", "delete", UNIT,
                          "--force-subtree-delete", "-H", SAM_DB)
        else:
            lab.dc_output("samba-tool", "ou", "rename", UNIT, "OU=Walve",
                          "-H", SAM_DB)
        lab.sync("--full")
        assert generation(lab) > before
        # Three are few enough for the percentage, and yet they stay.
        assert users(lab) == unit
        assert lab.status()["sync"]["held_count"] == 3
        assert UNIT in lab.problems()
        if how == "renamed":
            lab.dc_output("samba-tool", "ou", "rename", f"OU=Walve,{DOMAIN_DN}",
                          "OU=Valve", "-H", SAM_DB)
            lab.sync("--full")
            assert lab.status()["problems"] == []
            assert users(lab) == unit


def test_a_base_is_renamed_and_so_is_the_configuration(lab, unit):
    lab.dc_output("samba-tool", "ou", "rename", UNIT, "OU=Walve", "-H", SAM_DB)
    try:
        # No child of it has changed, so the mirror has not heard of it.
        with configured(lab, "bases = OU=Walve, "
                        + DOMAIN_DN.replace(",", ", ")):
            wait_until("the scope is another one", lambda: users(lab) == unit)
            assert lab.status()["problems"] == []
    finally:
        lab.dc_output("samba-tool", "ou", "rename", f"OU=Walve,{DOMAIN_DN}",
                      "OU=Valve", "-H", SAM_DB)


# ---- read rights withdrawn --------------------------------------------------


def test_an_attribute_that_may_not_be_read_any_more(lab, tenant):
    before, unit = users(lab), f"OU=AADDC Users,{DOMAIN_DN}"
    assert len(before) > 30
    with denied(lab, f"(OD;CI;RP;{RESTRICTIONS};;", unit):
        lab.sync()
        assert users(lab) == before
        result = full_load(lab)
        assert result.returncode != 0
        assert "userAccountControl" in result.stdout + result.stderr
        assert users(lab) == before
        # What changes goes on, and is told beside what is wrong.
        user_of(tenant, ALICE)["displayName"] = "Alice Goes On"
        lab.apply(tenant)
        lab.sync()
        assert lab.passwd(ALICE)[4] == "Alice Goes On"
        assert users(lab) == before
        assert "userAccountControl" in lab.problems()
        assert "Read all properties" in lab.problems()
        assert lab.ssh(ALICE, PASSWORD).returncode == 0
    assert users(lab) == before


def test_members_that_may_not_be_read_any_more(lab, tenant):
    names = [f"Valve Group {n}" for n in range(15)]
    tenant["groups"] += [{"displayName": name, "members": [ALICE]}
                         for name in names]
    lab.apply(tenant)
    lab.sync()
    before = lab.group_names(ALICE)
    assert len(before) > 15
    dns = [f["dn"] for f in lab.directory(
        "(&(objectClass=group)(member=*))", "cn")
        if "OU=AADDC Users" in f["dn"]]
    assert len(dns) >= 15
    with denied(lab, f"(OD;;RP;{MEMBER};;", *dns):
        assert full_load(lab).returncode != 0
        assert lab.group_names(ALICE) == before
        assert "member" in lab.problems()
    assert lab.group_names(ALICE) == before


def test_an_id_whose_history_may_not_be_read_any_more(lab):
    config = lab.output("cat", CONF)
    put_config(lab, with_identity(lab, HISTORY))
    renumber(lab)
    try:
        before, dn = lab.passwd(OLIVIA), lab.user_object(OLIVIA)["dn"]
        assert before[2] == "266801107"
        with denied(lab, f"(OD;;RP;{SID_HISTORY};;", dn):
            lab.sync("--full")
            assert lab.passwd(OLIVIA) == before
            assert lab.status()["sync"]["held_count"] == 1
            assert "sIDHistory" in lab.host(
                "dssyncctl", "explain", OLIVIA).stdout
            lose_the_store(lab, "--renumber")
            assert lab.passwd(OLIVIA) == before
            lab.sync("--accept-deletes")
            assert lab.passwd(OLIVIA)[2] != before[2]
        assert lab.passwd(OLIVIA) == before
    finally:
        put_config(lab, config)
        renumber(lab)


def lose_the_store(lab, words):
    lab.daemon("stop")
    lab.shell("rm /var/lib/dssync/store/*")
    lab.daemon("start")
    wait_until("the first load is refused", lambda: words in (
        (lab.status()["sync"] or {}).get("last_error") or ""))


def test_nor_an_attribute_after_the_store_was_lost(lab):
    before, unit = users(lab), f"OU=AADDC Users,{DOMAIN_DN}"
    with denied(lab, f"(OD;CI;RP;{RESTRICTIONS};;", unit):
        lose_the_store(lab, "not all that matters")
        assert users(lab) == before
    assert users(lab) == before


def test_a_scope_smaller_than_what_the_valve_lets_go(lab):
    lab.dc_output("samba-tool", "ou", "create", UNIT, "-H", SAM_DB)
    names = [f"valve{n}" for n in range(12)]
    lab.dc_output("sh", "-c", "for n; do samba-tool user create $n "
                  f"{PASSWORD} --userou=OU=Valve -H {SAM_DB} || exit; done",
                  "sh", *names)
    dns = [f"CN={name},{UNIT}" for name in names]
    lab.sync()
    try:
        assert len(users(lab)) > 50
        with configured(lab, f"bases = {UNIT}"):
            wait_until("the scope is another one",
                       lambda: len(users(lab)) == 12)
            with denied(lab, "(D;;RPLCLORC;;;", *dns):
                lab.sync("--full")
                assert len(users(lab)) == 12
                assert lab.status()["sync"]["held_count"] == 12
            assert len(users(lab)) == 12
    finally:
        lab.dc("samba-tool", "ou", "delete", UNIT, "--force-subtree-delete",
               "-H", SAM_DB)
        lab.sync("--full", "--accept-deletes")
