# SPDX-License-Identifier: GPL-3.0-or-later
"""`dslab apply` carries a changed tenant over as the smallest set of changes.

What was written is taken from the directory's own replication metadata: the
objects above the last USN, and their attributes.
"""

import json
import re

import pytest

from laboratory import dslab, group_of, new_user, user_of

ALICE = "alice@aaddscontoso.com"
HEIDI = "heidi@contoso.com"
ALWAYS = {"whenChanged"}
RENAMED = {"cn", "name", "displayName"}


def applied(lab, tenant):
    """Apply; (lines said, {RDN: attributes written})."""
    usn = lab.usn()
    lines = lab.apply(tenant)
    written = lab.changes_since(usn)
    return lines, {name: attributes - ALWAYS
                   for name, attributes in written.items()}


def pin_ids(lab, tenant):
    """Give every object the id that it has, so that names may change."""
    for entry in lab.ldapsearch("(msDS-aadObjectId=*)", "userPrincipalName",
                                "msDS-aadObjectId"):
        user_of(tenant, entry["userPrincipalName"][0])["id"] = \
            entry["msDS-aadObjectId"][0]


def rename_everywhere(tenant, old, new):
    user_of(tenant, old)["userPrincipalName"] = new
    for group in tenant["groups"]:
        group["members"] = [new if m == old else m for m in group["members"]]


def test_nothing_changed_writes_nothing(lab, tenant):
    usn = lab.usn()
    assert lab.apply(tenant) == []
    assert lab.usn() == usn


def test_new_upn(lab, tenant):
    pin_ids(lab, tenant)
    rename_everywhere(tenant, HEIDI, "heidi.new@contoso.com")
    lines, written = applied(lab, tenant)
    assert written == {"Heidi Hansen": {"userPrincipalName"}}
    assert lines == ["changed heidi.new@contoso.com (heidi): "
                     "userPrincipalName"]


def test_upns_change_hands(lab, tenant):
    pin_ids(lab, tenant)
    for old, new in ((HEIDI, "x@contoso.com"), ("bob@contoso.com", HEIDI),
                     ("x@contoso.com", "bob@contoso.com")):
        rename_everywhere(tenant, old, new)
    lines, written = applied(lab, tenant)
    assert {name for name, attributes in written.items() if attributes} == {
        "Heidi Hansen", "Bob Baker"}
    assert set.union(*written.values()) == {"userPrincipalName"}
    assert lab.ldap_user(HEIDI)["displayName"] == ["Bob Baker"]
    assert len(lines) == 2


def test_new_display_name(lab, tenant):
    user_of(tenant, HEIDI)["displayName"] = "Heidi Huber"
    before = lab.ldap_user(HEIDI)
    lines, written = applied(lab, tenant)
    assert written["Heidi Huber"] == RENAMED
    # Its memberships go along with it, nobody writes them.
    assert set.union(*written.values()) == RENAMED
    after = lab.ldap_user(HEIDI)
    assert after["objectGUID"] == before["objectGUID"]
    assert sorted(after["memberOf"]) == sorted(before["memberOf"])
    assert len(lines) == 2 and lines[0].startswith("renamed ")


def test_only_the_case_of_a_display_name(lab, tenant):
    user_of(tenant, HEIDI)["displayName"] = "heidi HANSEN"
    applied(lab, tenant)
    assert lab.ldap_user(HEIDI)["dn"].startswith("CN=heidi HANSEN,")


def test_display_names_change_hands(lab, tenant):
    one, two = user_of(tenant, HEIDI), user_of(tenant, "bob@contoso.com")
    one["displayName"], two["displayName"] = \
        two["displayName"], one["displayName"]
    _, written = applied(lab, tenant)
    assert {n for n, a in written.items() if a} == {"Heidi Hansen",
                                                    "Bob Baker"}
    assert lab.ldap_user(HEIDI)["displayName"] == ["Bob Baker"]
    assert lab.ldap_user(HEIDI)["dn"].startswith("CN=Bob Baker,")


def test_a_nickname_collision_appears_and_vanishes(lab, tenant):
    tenant["users"].append(new_user("hh@contoso.com",
                                    mailNickname="heidi"))
    lines, written = applied(lab, tenant)
    assert written.pop("Heidi Hansen") == {"sAMAccountName"}
    assert set(written) == {"New hh@contoso.com"}
    for upn in (HEIDI, "hh@contoso.com"):
        assert re.fullmatch(r"heidi \([0-9a-f]{6}\)", lab.sam(upn))
    assert len(lines) == 2
    tenant["users"].pop()
    lines, written = applied(lab, tenant)
    assert lines[0].startswith("deleted heidi (")
    assert written.pop("Heidi Hansen") == {"sAMAccountName"}
    assert len(written) == 1 and "\nDEL:" in written.popitem()[0]
    assert lab.sam(HEIDI) == "heidi"


def test_nicknames_change_hands(lab, tenant):
    one, two = user_of(tenant, HEIDI), user_of(tenant, "bob@contoso.com")
    one["mailNickname"], two["mailNickname"] = "bob", "heidi"
    _, written = applied(lab, tenant)
    assert {n: a for n, a in written.items() if a} == {
        name: {"sAMAccountName", "msDS-AzureADMailNickname"}
        for name in ("Heidi Hansen", "Bob Baker")}
    assert (lab.sam(HEIDI), lab.sam("bob@contoso.com")) == ("bob", "heidi")


def test_disable_and_enable(lab, tenant):
    for enabled in (False, True):
        user_of(tenant, HEIDI)["accountEnabled"] = enabled
        lines, written = applied(lab, tenant)
        assert written == {"Heidi Hansen": {"userAccountControl"}}
        assert lines == [f"changed {HEIDI} (heidi): userAccountControl"]


def test_delete_and_restore(lab, tenant):
    """The restored user is in its groups again, as a new object."""
    before = lab.ldap_user(HEIDI)
    user = user_of(tenant, HEIDI)
    groups = [g for g in tenant["groups"] if HEIDI in g["members"]]
    tenant["users"].remove(user)
    for group in groups:
        group["members"].remove(HEIDI)
    lines, written = applied(lab, tenant)
    assert lines == ["deleted heidi"]
    assert lab.ldapsearch(f"(userPrincipalName={HEIDI})") == []
    deleted = [name for name in written if "\nDEL:" in name]
    assert len(deleted) == 1
    # The groups lose the member by the deletion; nobody writes them.
    assert [n for n, a in written.items() if a] == deleted
    lab.sync("--full")
    assert lab.passwd(HEIDI) is None
    lab.apply(lab.default_tenant())
    after = lab.ldap_user(HEIDI)
    assert sorted(after["memberOf"]) == sorted(before["memberOf"])
    assert after["objectSid"] != before["objectSid"]
    assert after["msDS-aadObjectId"] == before["msDS-aadObjectId"]
    lab.sync()
    assert lab.passwd(HEIDI)
    assert "all staff@aaddscontoso.com" in lab.group_names(HEIDI)


def test_membership(lab, tenant):
    group = group_of(tenant, "Kernel Team")
    group["members"] = [m for m in group["members"] if m != ALICE]
    group["members"] += [HEIDI, "bob@contoso.com"]
    lines, written = applied(lab, tenant)
    assert written["Kernel Team"] == set()
    assert lines == ["Kernel Team: 2 members added",
                     "Kernel Team: 1 member removed"]
    assert not any(written.values())
    assert len(lab.ldap_group("Kernel Team")["member"]) == 3


def test_a_property_comes_and_goes(lab, tenant):
    user = user_of(tenant, HEIDI)
    user["jobTitle"], user["manager"] = "Baker", ALICE
    user["businessPhones"] = ["+49 1", "+49 2"]
    lines, written = applied(lab, tenant)
    assert {"title", "telephoneNumber"} <= written["Heidi Hansen"]
    assert len([n for n, a in written.items() if a]) == 1
    entry = lab.ldap_user(HEIDI)
    assert entry["telephoneNumber"] == ["+49 1"]
    assert entry["manager"] == [lab.ldap_user(ALICE)["dn"]]
    assert len(lines) == 2
    del user["jobTitle"], user["manager"], user["businessPhones"]
    applied(lab, tenant)
    assert not {"title", "manager", "telephoneNumber"} & set(
        lab.ldap_user(HEIDI))


def test_password_and_its_states(lab, tenant):
    user = user_of(tenant, HEIDI)
    user["passwordProfile"] = {"password": "Another-Horse-2"}
    lines, written = applied(lab, tenant)
    assert lines == [f"set the password of {HEIDI} (heidi)"]
    assert "unicodePwd" in written["Heidi Hansen"] and len(written) == 1
    assert lab.ssh(HEIDI, "Another-Horse-2").returncode == 0
    user["passwordProfile"]["forceChangePasswordNextSignIn"] = True
    _, written = applied(lab, tenant)
    assert written == {"Heidi Hansen": {"pwdLastSet"}}
    assert lab.ldap_user(HEIDI)["pwdLastSet"] == ["0"]


@pytest.mark.parametrize("scope, gone", [
    ({"users": "cloud-only"}, {"frank", "olivia", "oscar"}),
    ({"groups": "cloud-only"}, {"Fileserver Users"})])
def test_a_narrowed_scope_removes(lab, tenant, scope, gone):
    tenant["scope"] = scope
    lines, written = applied(lab, tenant)
    assert {line.removeprefix("deleted ") for line in lines} == gone
    assert len([n for n in written if "\nDEL:" in n]) == len(gone)
    assert not any(a for n, a in written.items() if "\nDEL:" not in n)
    tenant["scope"] = {}
    lines, _ = applied(lab, tenant)
    assert len([line for line in lines if line.startswith("added")]) == \
        len(gone)


def test_a_custom_unit_comes_and_goes(lab, tenant):
    tenant["customOUs"].append({"name": "Kiosks", "users": [
        {"sAMAccountName": "kiosk1",
         "passwordProfile": {"password": "Service-Pass-1"}}]})
    lines, _ = applied(lab, tenant)
    assert lines == ["added the organizational unit Kiosks",
                     "added the user kiosk1"]
    tenant["customOUs"].pop()
    lines, _ = applied(lab, tenant)
    assert lines == ["deleted kiosk1",
                     "deleted the organizational unit Kiosks"]


def test_a_local_name_goes_before_a_nickname(lab, tenant):
    tenant["customOUs"][0]["users"].append({
        "sAMAccountName": "heidi",
        "passwordProfile": {"password": "Service-Pass-1"}})
    lab.apply(tenant)
    assert re.fullmatch(r"heidi \([0-9a-f]{6}\)", lab.sam(HEIDI))
    assert "Service Accounts" in lab.ldap_group("heidi")["dn"]


def test_the_tenant_file_is_only_read(lab, tenant, tmp_path):
    path = tmp_path / "tenant.json"
    path.write_text(json.dumps(tenant))
    path.chmod(0o444)
    before = path.read_bytes(), path.stat().st_mtime_ns
    assert dslab("apply", "--name", lab.name, str(path)).returncode == 0
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_a_refused_tenant_changes_nothing(lab, tenant, tmp_path):
    """All of a small change or nothing: the domain refuses a bad password."""
    usn = lab.usn()
    user_of(tenant, HEIDI)["displayName"] = "Not Written"
    tenant["users"].append(new_user("weak@contoso.com",
                                    passwordProfile={"password": "a"}))
    path = tmp_path / "tenant.json"
    path.write_text(json.dumps(tenant))
    result = dslab("apply", "--name", lab.name, str(path))
    assert result.returncode == 1 and "Traceback" not in result.stderr
    assert "weak@contoso.com" in result.stderr
    assert lab.usn() == usn or not lab.changes_since(usn)
    assert lab.ldap_user(HEIDI)["displayName"] == ["Heidi Hansen"]
