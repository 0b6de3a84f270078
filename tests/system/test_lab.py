# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab itself: the directory holds what the tenant says, by the managed
domain's rules.  dssync is not asked."""

import json
import re
from pathlib import Path

import pytest

from laboratory import dslab, group_of, new_user, user_of

AADDC_USERS = "OU=AADDC Users,DC=aaddscontoso,DC=com"


# ---- names -----------------------------------------------------------------

@pytest.mark.parametrize("upn", [
    "driley@aaddscontoso.com", "driley@contoso.com",       # shared nickname
    "bartholomew.featherstonehaugh@contoso.com",           # both over 20
    "maximilian.von.hohenberg@aaddscontoso.com",           # prefix over 20
    "wong@aaddscontoso.com",                               # nickname over 20
    "administrator@contoso.com",                           # taken
])
def test_generated_name(lab, upn):
    sam = lab.sam(upn)
    assert re.fullmatch(r".{1,11} \([0-9a-f]{6}\)", sam)
    assert len(sam) <= 20


@pytest.mark.parametrize("upn, sam", [
    ("alice@aaddscontoso.com", "alice"),
    ("nick.of.mine@contoso.com", "maria.schulz"),
    ("0@aaddscontoso.com", "0"),
])
def test_plain_name_is_the_nickname(lab, upn, sam):
    assert lab.sam(upn) == sam


def test_upn_as_is(lab):
    found = lab.object("(sAMAccountName=emma.larsen)", "userPrincipalName")
    assert found["userPrincipalName"] == ["Emma.Larsen@AADDSContoso.COM"]


def test_group_name_is_the_display_name_or_generated(lab):
    assert lab.object("(sAMAccountName=Platform Team)")
    shared = lab.directory("(displayName=Project X)", "sAMAccountName")
    assert len(shared) == 2
    for found in shared:
        assert re.fullmatch(r"Project X \([0-9a-f]{6}\)",
                            found["sAMAccountName"][0])


# ---- attributes ------------------------------------------------------------

def test_every_mapped_attribute(lab):
    found = lab.user_object("alice@aaddscontoso.com")
    expected = {
        "l": "Seattle", "company": "Contoso", "co": "United States",
        "department": "Engineering", "displayName": "Alice Archer",
        "employeeID": "1001", "facsimileTelephoneNumber": "+1 206 555 0102",
        "givenName": "Alice", "title": "Engineer",
        "mail": "alice@contoso.com", "msDS-AzureADMailNickname": "alice",
        "mobile": "+1 206 555 0101", "postalCode": "98101",
        "physicalDeliveryOfficeName": "12/1101", "st": "WA", "sn": "Archer",
        "preferredLanguage": "en-US", "streetAddress": "1 Pine Street",
        "telephoneNumber": "+1 206 555 0100", "manager":
        f"CN=Grace Gordon,{AADDC_USERS}",
    }
    assert {name: found[name][0] for name in expected} == expected
    assert re.fullmatch(r"[0-9a-f-]{36}", found["msDS-aadObjectId"][0])
    assert len(found["proxyAddresses"]) == 2


@pytest.mark.parametrize("upn, sid", [
    ("olivia@contoso.com",
     "S-1-5-21-1004336348-1177238915-682003330-1107"),
    ("frank@fabrikam.com",
     "S-1-5-21-2153326666-2176343378-3404031434-1107"),
])
def test_sid_history_and_own_sid(lab, upn, sid):
    found = lab.user_object(upn, "sIDHistory", "objectSid")
    assert found["sIDHistory"] == [sid]
    own = lab.object("(objectClass=domainDNS)", "objectSid")["objectSid"][0]
    assert found["objectSid"][0].startswith(own + "-")


@pytest.mark.parametrize("upn, bits", [
    ("alice@aaddscontoso.com", 0x200),
    ("disabled@aaddscontoso.com", 0x202),
    ("evergreen@aaddscontoso.com", 0x10200),
])
def test_account_control(lab, upn, bits):
    found = lab.user_object(upn, "userAccountControl")
    assert found["userAccountControl"] == [str(bits)]


def test_password_states(lab):
    must = lab.user_object("mustchange@aaddscontoso.com", "pwdLastSet")
    assert must["pwdLastSet"] == ["0"]
    old = lab.user_object("expired@aaddscontoso.com", "pwdLastSet")
    assert 0 < int(old["pwdLastSet"][0]) < 133000000000000000


def test_password_policy(lab):
    found = lab.object("(objectClass=domainDNS)", "lockoutThreshold",
                       "lockoutDuration", "maxPwdAge")
    assert found["lockoutThreshold"] == ["5"]
    assert found["lockoutDuration"] == [str(-30 * 60 * 10**7)]
    assert found["maxPwdAge"] == [str(-90 * 86400 * 10**7)]


@pytest.mark.parametrize("upn", ["nopassword@aaddscontoso.com",
                                 "partner_fabrikam.com#EXT#"
                                 "@contoso.onmicrosoft.com"])
def test_withheld(lab, upn):
    assert lab.directory(f"(userPrincipalName={upn})") == []


def test_flat_units(lab):
    for kind in ("user", "group"):
        for found in lab.directory(f"(&(objectClass={kind})"
                                   "(|(msDS-aadObjectId=*)"
                                   "(msDS-AzureADObjectId=*)))", "cn"):
            assert found["dn"].endswith("," + AADDC_USERS)
            assert found["dn"].count(",OU=") == 1
    service = lab.object("(sAMAccountName=svc-backup)", "cn")
    assert service["dn"].endswith(
        "OU=Service Accounts,DC=aaddscontoso,DC=com")
    computers = lab.directory("(objectClass=computer)", "sAMAccountName")
    assert {c["sAMAccountName"][0] for c in computers} == {"DC1$", "HOST1$"}


def test_members(lab):
    found = lab.object("(sAMAccountName=Ring A)", "member")
    assert sorted(found["member"]) == [f"CN=Heidi Hansen,{AADDC_USERS}",
                                       f"CN=Ring B,{AADDC_USERS}"]
    staff = lab.object("(sAMAccountName=All Staff)", "member")
    assert len(staff["member"]) == 9    # of 11: two are withheld


def test_odd_display_names(lab):
    for upn, name in (
            ("juergen@aaddscontoso.com", "Jürgen Müller-Öztürk"),
            ("nightshift@aaddscontoso.com", "Ops: Night Shift"),
            ("support@aaddscontoso.com", "#1 Support / Helpdesk \\ EMEA")):
        assert lab.user_object(upn, "displayName")["displayName"] == [name]


# ---- apply -----------------------------------------------------------------

def test_apply_changes_only_what_changed(lab, tenant):
    assert lab.apply(tenant) == []
    tenant["users"].append(new_user("applied@contoso.com"))
    user_of(tenant, "leaver@contoso.com")["accountEnabled"] = False
    group_of(tenant, "Nobody Yet")["members"] = ["applied@contoso.com"]
    lines = lab.apply(tenant)
    assert len(lines) == 3
    assert lab.sam("applied@contoso.com") == "applied"
    leaver = lab.user_object("leaver@contoso.com", "userAccountControl")
    assert leaver["userAccountControl"] == [str(0x202)]
    assert lab.object("(sAMAccountName=Nobody Yet)", "member")["member"]
    assert lab.apply(tenant) == []


def test_a_first_password_brings_the_user(lab, tenant):
    user_of(tenant, "nopassword@aaddscontoso.com")["passwordProfile"] = {
        "password": "Correct-Horse-1"}
    lab.apply(tenant)
    assert lab.sam("nopassword@aaddscontoso.com") == "nopassword"


# ---- bad tenant files ------------------------------------------------------

@pytest.mark.parametrize("text, message", [
    ("{", r"tenant\.json:1:2: not JSON"),
    ('{"users": [{"userPrincipalName": "no-at", "mailNickname": "a", '
     '"displayName": "A"}]}', r"users\[0\]\.userPrincipalName: expected a "
     "user principal name"),
    ('{"users": [{"userPrincipalName": "a@b.c", "displayName": "A"}]}',
     r"users\[0\]\.mailNickname: expected a value"),
    ('{"users": [{"userPrincipalName": "a@b.c", "mailNickname": "a", '
     '"displayName": "A", "accountEnabled": "yes"}]}',
     r"users\[0\]\.accountEnabled: expected true or false, not \"yes\""),
    ('{"users": [{"userPrincipalName": "a@b.c", "mailNickname": "a", '
     '"displayName": "A", "colour": "red"}]}',
     r"users\[0\]\.colour: expected no such property here"),
    ('{"groups": [{"displayName": "G", "members": ["ghost@b.c"]}]}',
     r"groups\[0\]\.members\[0\]: expected .* exactly one object, but 0"),
    ('{"users": 7}', r"users: expected a list"),
    ('{"users": [{"userPrincipalName": "a@b.c", "mailNickname": "a", '
     '"displayName": "A"}, {"userPrincipalName": "A@B.C", '
     '"mailNickname": "b", "displayName": "B"}]}',
     r"users\[1\]\.userPrincipalName: expected a value of its own"),
])
def test_bad_tenant_file(lab, tmp_path, text, message):
    path = tmp_path / "tenant.json"
    path.write_text(text)
    result = dslab("up", "--no-product", "--name", lab.name + "-bad",
                   "--tenant", str(path))
    assert result.returncode == 1
    assert re.search(message, result.stderr), result.stderr
    assert "Traceback" not in result.stderr
    assert not Path(f"/run/dslab/{lab.name}-bad").exists()


def test_up_says_that_there_is_no_build(lab, tmp_path):
    result = dslab("up", "--name", lab.name + "-bad",
                   "--build", str(tmp_path))
    assert result.returncode == 1
    assert "holds no build of the product" in result.stderr


def test_status(lab):
    status = json.loads(dslab("status", "--name", lab.name).stdout)
    assert status["domain"] == "aaddscontoso.com"
    assert status["samba"] and status["host"] and status["synccached"]
