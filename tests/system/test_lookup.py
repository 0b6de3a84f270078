# SPDX-License-Identifier: GPL-3.0-or-later
"""NSS on the joined host: who is found, by which spelling, and who never."""

import json

import pytest

from laboratory import DOMAIN, NETBIOS

ALICE = "alice@aaddscontoso.com"
DRILEY = "driley@aaddscontoso.com"


# ---- spellings -------------------------------------------------------------

def test_entry(lab):
    name, password, uid, gid, gecos, home, shell = lab.passwd(ALICE)
    assert (name, password, gecos) == (ALICE, "*", "Alice Archer")
    assert 200000 <= int(uid) < 2000200000
    assert 200000 <= int(gid) < 2000200000
    assert (home, shell) == (f"/home/{ALICE}", "/bin/bash")


@pytest.mark.parametrize("typed", [
    "alice@aaddscontoso.com", "ALICE@AADDSContoso.COM",
    "Alice@aaddscontoso.com", r"AADDSCONTOSO\alice", r"aaddscontoso\ALICE"])
def test_every_spelling_is_one_entry(lab, typed):
    assert lab.passwd(typed) == lab.passwd(ALICE)


def test_upper_case_upn_comes_out_in_lower_case(lab):
    entry = lab.passwd("Emma.Larsen@AADDSContoso.COM")
    assert entry[0] == "emma.larsen@aaddscontoso.com"


@pytest.mark.parametrize("upn", [
    "driley@aaddscontoso.com", "driley@contoso.com",
    "bartholomew.featherstonehaugh@contoso.com",
    "maximilian.von.hohenberg@aaddscontoso.com", "wong@aaddscontoso.com",
    "administrator@contoso.com"])
def test_generated_sam_name(lab, upn):
    sam = lab.sam(upn)
    assert " (" in sam and sam.endswith(")")
    entry = lab.passwd(f"{NETBIOS}\\{sam}")
    assert entry is not None and entry[0] == upn
    assert entry == lab.passwd(upn)


def test_sam_at_domain_where_nobody_has_that_upn(lab):
    assert lab.passwd("bob@aaddscontoso.com") == lab.passwd("bob@contoso.com")
    assert lab.passwd("bob@contoso.com")[0] == "bob@contoso.com"


def test_upn_goes_before_sam_at_domain(lab):
    # Both have the prefix; one has the UPN, nobody the plain nickname.
    assert lab.passwd(DRILEY)[4] == "Dana Riley"


def test_account_without_upn(lab):
    entry = lab.passwd(f"{NETBIOS}\\svc-no-upn")
    assert entry[0] == f"svc-no-upn@{DOMAIN}"


def test_by_uid(lab):
    entry = lab.passwd(ALICE)
    assert lab.passwd(entry[2]) == entry


def test_uid_is_the_documented_number(lab):
    # The vectors of the algorithm are unit tests; here: RID and slice.
    sid = lab.user_object(ALICE, "objectSid")["objectSid"][0]
    other = lab.user_object(DRILEY, "objectSid")["objectSid"][0]
    rids = int(sid.split("-")[-1]) - int(other.split("-")[-1])
    assert int(lab.passwd(ALICE)[2]) - int(lab.passwd(DRILEY)[2]) == rids


# ---- nobody ----------------------------------------------------------------

@pytest.mark.parametrize("typed", [
    "alice", "driley", "maria.schulz",             # bare: off by default
    "alice@contoso.com", r"CONTOSO\alice", "\\alice", "AADDSCONTOSO\\",
    "nopassword@aaddscontoso.com",                  # withheld by the domain
    r"AADDSCONTOSO\HOST1$", r"AADDSCONTOSO\DC1$", "host1$@aaddscontoso.com",
    "*", "*@aaddscontoso.com", "alice)(uid=*@aaddscontoso.com",
    "alice@aaddscontoso.com ", " alice@aaddscontoso.com", "@", "", "\\",
    "alice@aaddscontoso.com\n", "x" * 300 + "@aaddscontoso.com"])
def test_nobody(lab, typed):
    assert lab.passwd(typed) is None


@pytest.mark.parametrize("typed", ["alice", "driley", "Ghost@contoso.com"])
def test_explain_gives_the_reason(lab, typed):
    result = lab.host("dssyncctl", "explain", typed)
    assert result.returncode == 1
    if "@" not in typed:
        assert "short_names" in result.stdout + result.stderr


@pytest.mark.parametrize("typed", [
    "nopassword@aaddscontoso.com", "nopassword", r"AADDSCONTOSO\nopassword"])
def test_explain_not_in_the_domain_yet(lab, typed):
    # In the tenant, but without a password that the domain could have.
    result = lab.host("dssyncctl", "explain", typed)
    assert result.returncode == 1
    assert "only after its password was changed" in \
        " ".join(result.stdout.split()), result.stdout


def test_explain_a_name_that_resolves(lab):
    result = lab.host("dssyncctl", "explain", ALICE.upper())
    assert result.returncode == 0
    assert ALICE in result.stdout


# ---- groups ----------------------------------------------------------------

def test_nested_groups(lab):
    groups = lab.group_names(ALICE)
    assert {"kernel team@aaddscontoso.com", "platform team@aaddscontoso.com",
            "engineering@aaddscontoso.com", "all staff@aaddscontoso.com",
            "domain users@aaddscontoso.com"} <= groups
    assert "ring a@aaddscontoso.com" not in groups


def test_membership_cycle(lab):
    rings = {"ring a@aaddscontoso.com", "ring b@aaddscontoso.com"}
    assert rings <= lab.group_names("heidi@contoso.com")
    assert rings <= lab.group_names("ivan@contoso.onmicrosoft.com")
    for ring in rings:
        members = lab.group(ring)[3].split(",")
        assert sorted(members) == ["heidi@contoso.com",
                                   "ivan@contoso.onmicrosoft.com"]


def test_nested_members(lab):
    members = lab.group("engineering@aaddscontoso.com")[3].split(",")
    assert sorted(members) == [ALICE, DRILEY, "grace@aaddscontoso.com"]


@pytest.mark.parametrize("typed", [
    "platform team@aaddscontoso.com", "Platform Team@AADDSCONTOSO.COM",
    r"AADDSCONTOSO\Platform Team"])
def test_group_spellings(lab, typed):
    entry = lab.group(typed)
    assert entry[:2] == ["platform team@aaddscontoso.com", "*"]
    assert lab.group(entry[2]) == entry


@pytest.mark.parametrize("typed", ["Platform Team", "platform team",
                                   "docker@contoso.com"])
def test_no_such_group(lab, typed):
    assert lab.group(typed) is None


def test_group_without_members(lab):
    assert lab.group("nobody yet@aaddscontoso.com")[3] == ""


def test_group_with_umlaut(lab):
    entry = lab.group("vertrieb süd@aaddscontoso.com")
    assert entry[3] == "juergen@aaddscontoso.com"


# ---- enumeration and fields ------------------------------------------------

def test_enumeration(lab):
    lines = lab.output("getent", "passwd").splitlines()
    mirrored = [line for line in lines if "@" in line.split(":")[0]]
    # `managed` objects in AADDC Users plus the custom OU's, nobody twice.
    expected = {m["userPrincipalName"][0].lower() for m in lab.directory(
        "(&(objectClass=user)(!(objectClass=computer))"
        "(userPrincipalName=*))", "userPrincipalName")}
    names = [line.split(":")[0] for line in mirrored]
    assert len(names) == len(set(names))
    assert expected <= set(names)
    assert all(len(line.split(":")) == 7 for line in mirrored)
    assert not any("$" in name for name in names)


def test_group_enumeration(lab):
    lines = lab.output("getent", "group").splitlines()
    assert any(line.startswith("sudo@aaddscontoso.com:*:") for line in lines)
    assert all(len(line.split(":")) == 4 for line in lines)


def test_gecos_has_no_separator(lab):
    entry = lab.passwd("nightshift@aaddscontoso.com")
    assert len(entry) == 7
    assert "Night Shift" in entry[4]
    assert lab.passwd("juergen@aaddscontoso.com")[4] == "Jürgen Müller-Öztürk"


# ---- nothing from the directory is a local identity ------------------------

@pytest.mark.parametrize("name", ["root", "postgres", "0", "nobody"])
def test_local_users_stay_local(lab, name):
    local = lab.host("getent", "-s", "files", "passwd", name)
    both = lab.host("getent", "passwd", name)
    assert (both.returncode, both.stdout) == (local.returncode, local.stdout)


@pytest.mark.parametrize("upn", ["root@aaddscontoso.com",
                                 "postgres@aaddscontoso.com",
                                 "0@aaddscontoso.com", "nobody@contoso.com"])
def test_directory_users_of_such_names_are_nobody_special(lab, upn):
    entry = lab.passwd(upn)
    assert entry[0] == upn
    assert int(entry[2]) >= 200000 and int(entry[3]) >= 200000
    groups = lab.output("id", "-G", upn).split()
    assert all(int(gid) >= 200000 for gid in groups)


def test_typed_zero_and_root_spellings_are_not_root(lab):
    for typed in (r"AADDSCONTOSO\root", r"AADDSCONTOSO\0"):
        assert int(lab.passwd(typed)[2]) >= 200000


def test_group_called_sudo_gains_nothing(lab):
    user = "mallory@aaddscontoso.com"
    groups = lab.group_names(user)
    assert {"sudo@aaddscontoso.com", "docker@aaddscontoso.com"} <= groups
    assert not {"sudo", "docker"} & groups
    # Debian's sudoers grants %sudo; the rule has to be there for the proof.
    assert "%sudo" in lab.output("cat", "/etc/sudoers")
    result = lab.host("env", "LC_ALL=C", "sudo", "-l", "-U", user)
    assert "is not allowed to run sudo" in result.stdout
    local = lab.group("sudo")
    assert user not in local[3]


def test_sudo_does_allow_whom_the_rules_name(lab):
    # The same question, answered yes: the test above can fail.
    lab.lab.host.write("/etc/sudoers.d/lab",
                       "%sudo@aaddscontoso.com ALL=(ALL) NOPASSWD: "
                       "/usr/bin/id\n", 0o440)
    try:
        result = lab.host("env", "LC_ALL=C", "sudo", "-l", "-U",
                          "mallory@aaddscontoso.com")
        assert "NOPASSWD: /usr/bin/id" in result.stdout
    finally:
        lab.output("rm", "/etc/sudoers.d/lab")


# ---- dssyncctl -------------------------------------------------------------

def test_user_json(lab):
    user = json.loads(lab.output("dssyncctl", "user", DRILEY, "--json"))
    assert user["name"] == DRILEY
    assert user["sAMAccountName"] == lab.sam(DRILEY)
    assert user["generated"] is True
    assert user["enabled"] is True
    found = lab.user_object(DRILEY, "objectSid", "msDS-aadObjectId")
    assert user["objectSid"] == found["objectSid"][0]
    assert user["objectId"] == found["msDS-aadObjectId"][0]
    assert user["uid"] == int(lab.passwd(DRILEY)[2])


def test_user_json_of_a_disabled_service_and_onprem_account(lab):
    def user(name):
        return json.loads(lab.output("dssyncctl", "user", name, "--json"))
    assert user("disabled@aaddscontoso.com")["enabled"] is False
    assert user("svc-backup@aaddscontoso.com")["custom_ou"] is True
    assert user("olivia@contoso.com")["origin"] == "onprem"
    assert user(ALICE)["origin"] == "cloud"


def test_group_json(lab):
    group = json.loads(lab.output("dssyncctl", "group",
                                  "kernel team@aaddscontoso.com", "--json"))
    assert sorted(group["members"]) == [ALICE, DRILEY]


def test_status_is_well(lab):
    status = lab.status()
    assert status["problems"] == []
    assert status["snapshot"]["domain"] == DOMAIN
    assert status["snapshot"]["netbios"] == NETBIOS


def test_an_ordinary_user_may_look_up(lab):
    result = lab.host("runuser", "-u", "localuser", "--", "getent", "passwd",
                      ALICE)
    assert result.stdout.startswith(ALICE + ":*:")
