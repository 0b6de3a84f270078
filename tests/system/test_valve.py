# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing that happens to the directory empties the host by accident."""

import contextlib

import pytest

from laboratory import (DOMAIN_DN, PASSWORD, SAM_DB, group_of, new_user,
                        user_of, wait_until)

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
    assert "35 objects are gone" in lab.log()[offset:]
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
