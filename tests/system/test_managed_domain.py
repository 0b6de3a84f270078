# SPDX-License-Identifier: GPL-3.0-or-later
"""The documented rules of the managed domain, one test or more a rule.

Each asserts both sides: what the directory holds, read with ldapsearch and
not through dssync, and what the joined host shows.  lab/README.md has the
table of rules and tests.

Not tested, because these describe only the inside of Microsoft's service:
* rule 1, "first an initial load (hours to days)", "about 20 minutes": how
  long their service takes; here a change is there when `apply` returns;
* rule 2, where Kerberos and NTLM hashes are made when a password changes:
  inside Entra; what follows from it, no object before, is tested;
* rule 7, "UPN conflicts resolved upstream": between the forests and Entra;
  a tenant file with such a conflict is refused, which is tested;
* rule 9, keys unique to each tenant, only the domain decrypts, disks
  encrypted at rest: how their machines store hashes; no client can see it.
"""

import re

import pytest

from laboratory import (DOMAIN, DOMAIN_DN, NETBIOS, PASSWORD, dslab, group_of,
                        new_user, user_of, wait_until)

ALICE = "alice@aaddscontoso.com"
GRACE = "grace@aaddscontoso.com"
HEIDI = "heidi@contoso.com"
OLIVIA = "olivia@contoso.com"
AADDC_USERS = f"OU=AADDC Users,{DOMAIN_DN}"
CORP = "S-1-5-21-1004336348-1177238915-682003330"
FABRIKAM = "S-1-5-21-2153326666-2176343378-3404031434"
GENERATED = re.compile(r"(.{1,55}) \(([0-9a-f]{6})\)")


def gone_everywhere(lab, upn):
    return lab.ldapsearch(f"(userPrincipalName={upn})") == [] \
        and lab.passwd(upn) is None and lab.ctl("user", upn) is None


def host_groups(lab, user):
    """Names of a user's groups on the host, without the domain's suffix."""
    return {name.rpartition("@")[0] for name in lab.group_names(user)}


def domain_sid(lab):
    return lab.ldapsearch("(objectClass=domainDNS)", "objectSid",
                          scope="base")[0]["objectSid"][0]


def as_user(lab, upn, password, command, ldif=""):
    """Run an LDAP command on the host, authenticated as somebody."""
    if upn in (ALICE, GRACE):
        lab.unlock(upn)     # other tests were wrong about its password
    script = ("export KRB5CCNAME=FILE:$(mktemp); "
              f"printf '%s' '{password}' | kinit -E '{upn}' >/dev/null && "
              f"{command} -H ldap://dc1.aaddscontoso.com -N -Q -Y GSSAPI; "
              "status=$?; kdestroy -q; exit $status")
    return lab.host("bash", "-c", script, input=ldif)


# ---- rule 1: one way --------------------------------------------------------

def test_rule_1_changes_of_the_tenant_arrive(lab, tenant):
    user_of(tenant, ALICE)["displayName"] = "Alice Anderson"
    group_of(tenant, "Nobody Yet")["members"] = [ALICE]
    lab.apply(tenant)
    assert lab.ldap_user(ALICE)["displayName"] == ["Alice Anderson"]
    assert len(lab.ldap_group("Nobody Yet")["member"]) == 1
    lab.sync()
    assert lab.passwd(ALICE)[4] == "Alice Anderson"
    assert "nobody yet" in host_groups(lab, ALICE)


@pytest.mark.parametrize("who", [ALICE, GRACE])
def test_rule_1_synchronized_objects_cannot_be_changed(lab, who):
    """Neither by themselves nor by the tenant's administrators (Grace)."""
    alice = f"CN=Alice Archer,{AADDC_USERS}"
    watched = (f"(memberOf=CN=Kernel Team,{AADDC_USERS})", "title", "memberOf",
               "telephoneNumber")
    before = lab.ldapsearch(*watched)
    shown = lab.ctl("user", ALICE), lab.group_names(GRACE)
    for ldif in (
            f"dn: {alice}\nchangetype: modify\nreplace: telephoneNumber\n"
            "telephoneNumber: 1\n",
            f"dn: {alice}\nchangetype: modify\nreplace: title\ntitle: CEO\n",
            f"dn: CN=Kernel Team,{AADDC_USERS}\nchangetype: modify\n"
            f"add: member\nmember: CN=Grace Gordon,{AADDC_USERS}\n",
            f"dn: {alice}\nchangetype: delete\n",
            f"dn: CN=Own,{AADDC_USERS}\nchangetype: add\n"
            "objectClass: group\nsAMAccountName: own\n"):
        result = as_user(lab, who, PASSWORD, "ldapmodify", ldif)
        assert result.returncode == 50, result.stdout + result.stderr
    lab.sync()
    assert lab.ldapsearch(*watched) == before
    assert (lab.ctl("user", ALICE), lab.group_names(GRACE)) == shown


def test_rule_1_passwords_cannot_be_changed_there(lab):
    before = lab.ldap_user(ALICE, "pwdLastSet")
    result = lab.host("bash", "-c", f"printf '{PASSWORD}\\nOther-Horse-2\\n"
                      f"Other-Horse-2\\n' | kpasswd alice@{DOMAIN.upper()}")
    assert result.returncode != 0
    assert "denied" in (result.stdout + result.stderr).lower()
    assert lab.ldap_user(ALICE, "pwdLastSet") == before
    assert lab.ssh(ALICE, PASSWORD).returncode == 0
    assert lab.ssh(ALICE, "Other-Horse-2").returncode != 0


def test_rule_1_nothing_flows_back(lab, tenant):
    """What is changed in the domain all the same the next apply undoes."""
    result = as_user(lab, "Administrator@aaddscontoso.com", "Lab-Admin-1",
                     "ldapmodify", f"dn: CN=Alice Archer,{AADDC_USERS}\n"
                     "changetype: modify\nreplace: displayName\n"
                     "displayName: Somebody Else\n")
    assert result.returncode == 0, result.stderr
    lab.sync()
    assert lab.passwd(ALICE)[4] == "Somebody Else"
    assert lab.apply(tenant) == [f"changed {ALICE} (alice): displayName"]
    lab.sync()
    assert lab.ldap_user(ALICE)["displayName"] == ["Alice Archer"]
    assert lab.passwd(ALICE)[4] == "Alice Archer"


def test_rule_1_custom_units_are_writable(lab, tenant):
    dn = f"CN=made-here,OU=Service Accounts,{DOMAIN_DN}"
    result = as_user(
        lab, GRACE, PASSWORD, "ldapmodify", f"dn: {dn}\nchangetype: add\n"
        "objectClass: group\nsAMAccountName: made-here\n"
        f"member: CN=Alice Archer,{AADDC_USERS}\n")
    assert result.returncode == 0, result.stderr
    try:
        assert lab.apply(tenant) == []      # not the tenant's business
        assert lab.ldap_group("made-here")["dn"] == dn
        lab.sync()
        assert "made-here" in host_groups(lab, ALICE)
    finally:
        result = as_user(lab, GRACE, PASSWORD, f"ldapdelete '{dn}'")
    assert result.returncode == 0, result.stderr
    lab.sync("--full")
    assert "made-here" not in host_groups(lab, ALICE)


# ---- rule 2: no object before the first password ----------------------------

def test_rule_2_no_user_before_the_first_password(lab, tenant):
    upn = "nopassword@aaddscontoso.com"
    assert upn in group_of(tenant, "All Staff")["members"]
    assert gone_everywhere(lab, upn)
    user_of(tenant, upn)["passwordProfile"] = {"password": PASSWORD}
    lab.apply(tenant)
    lab.sync()
    assert lab.ldap_user(upn)["sAMAccountName"] == ["nopassword"]
    assert "all staff" in host_groups(lab, upn)
    assert lab.ssh(upn, PASSWORD).stdout == upn + "\n"


def test_rule_2_a_guest_has_no_password_there_and_never_comes(lab):
    assert gone_everywhere(
        lab, "partner_fabrikam.com#EXT#@contoso.onmicrosoft.com")


# ---- rule 3: scope ----------------------------------------------------------

def test_rule_3_cloud_only_users(lab, tenant):
    assert lab.passwd(OLIVIA) and lab.passwd("frank@fabrikam.com")
    tenant["scope"] = {"users": "cloud-only"}
    lines = lab.apply(tenant)
    assert sorted(lines) == ["deleted frank", "deleted olivia",
                             "deleted oscar"]
    lab.sync("--full")
    for upn in (OLIVIA, "oscar@contoso.com", "frank@fabrikam.com"):
        assert gone_everywhere(lab, upn)
    assert lab.ldap_user(HEIDI) and lab.passwd(HEIDI)
    # The group stays, on-premises as it is; its members went.
    assert "member" not in lab.ldap_group("Fileserver Users")
    assert lab.group("fileserver users@aaddscontoso.com")[3] == ""


@pytest.mark.parametrize("which, stays, goes", [
    ("cloud-only", "Platform Team", "Fileserver Users"),
    ("on-premises", "Fileserver Users", "Platform Team")])
def test_rule_3_groups_by_origin(lab, tenant, which, stays, goes):
    tenant["scope"] = {"groups": which}
    lab.apply(tenant)
    lab.sync("--full")
    assert lab.ldap_group(stays) and lab.group(f"{stays}@aaddscontoso.com")
    assert lab.ldapsearch(f"(sAMAccountName={goes})") == []
    assert lab.group(f"{goes}@aaddscontoso.com") is None
    assert lab.passwd(ALICE) and lab.passwd(OLIVIA)
    assert goes.lower() not in host_groups(lab, ALICE)
    # Whoever manages the domain can do so in any scope.
    assert lab.ldap_group("AAD DC Administrators")


def test_rule_3_filter_by_groups_and_users(lab, tenant):
    """`Platform Team` holds `Kernel Team`, that Alice and a driley."""
    tenant["scope"] = {"filter": ["Platform Team", "bob@contoso.com"]}
    lab.apply(tenant)
    # So much goes that the host asks for a person's word.
    lab.sync("--accept-deletes")
    synced = lab.ldapsearch("(msDS-aadObjectId=*)", "userPrincipalName")
    assert {e["userPrincipalName"][0] for e in synced} == {
        ALICE, "driley@aaddscontoso.com", "bob@contoso.com"}
    assert gone_everywhere(lab, HEIDI)
    for upn in (ALICE, "driley@aaddscontoso.com", "bob@contoso.com"):
        assert lab.passwd(upn)
    assert {"kernel team", "platform team"} <= host_groups(lab, ALICE)
    assert lab.group("engineering@aaddscontoso.com") is None
    # Nobody shares that nickname any more.
    assert lab.ldap_user("driley@aaddscontoso.com")["sAMAccountName"] == \
        ["driley"]
    # A custom unit's objects never were in a scope.
    assert lab.passwd("svc-backup@aaddscontoso.com")


# ---- rule 4: the UPN --------------------------------------------------------

def test_rule_4_upn_as_is_is_the_login(lab):
    found = lab.ldapsearch("(sAMAccountName=emma.larsen)")[0]
    assert found["userPrincipalName"] == ["Emma.Larsen@AADDSContoso.COM"]
    upn = "emma.larsen@aaddscontoso.com"
    assert lab.passwd("Emma.Larsen@AADDSContoso.COM")[0] == upn
    assert lab.ctl("user", upn)["userPrincipalName"].lower() == upn
    assert lab.ssh("Emma.Larsen@AADDSContoso.COM", PASSWORD).stdout == \
        upn + "\n"


@pytest.mark.parametrize("upn", ["driley@aaddscontoso.com",
                                 "driley@contoso.com"])
def test_rule_4_the_short_name_is_no_login_but_the_upn_is(lab, upn):
    assert lab.ldapsearch("(sAMAccountName=driley)") == []
    assert lab.passwd(f"{NETBIOS}\\driley") is None
    assert lab.ssh(f"{NETBIOS}\\driley", PASSWORD).returncode == 5
    assert lab.ldap_user(upn)["userPrincipalName"] == [upn]
    assert lab.ssh(upn, PASSWORD).stdout == upn + "\n"


# ---- rule 5: sAMAccountNames ------------------------------------------------

@pytest.mark.parametrize("upn, stem", [
    ("driley@aaddscontoso.com", "driley"),               # a shared nickname
    ("driley@contoso.com", "driley"),
    ("wong@aaddscontoso.com", "wolfeschleg"),            # it is over 20
    ("maximilian.von.hohenberg@aaddscontoso.com", "maxvh"),  # the prefix is
    ("bartholomew.featherstonehaugh@contoso.com", "bartholomew"),
])
def test_rule_5_generated_sam_account_name(lab, upn, stem):
    entry = lab.ldap_user(upn)
    sam = entry["sAMAccountName"][0]
    found = GENERATED.fullmatch(sam)
    assert found and found[1] == stem and len(sam) <= 20
    assert entry["msDS-aadObjectId"][0].startswith(found[2])
    shown = lab.ctl("user", upn)
    assert shown["generated"] is True and shown["sAMAccountName"] == sam
    assert lab.passwd(f"{NETBIOS}\\{sam}") == lab.passwd(upn)
    # Which differs from the UPN's prefix, and the host still goes by that.
    assert sam != upn.split("@")[0] and lab.passwd(upn)[0] == upn


def test_rule_5_twenty_characters_are_not_too_long(lab, tenant):
    for length in (20, 21):
        tenant["users"].append(new_user("x" * length + "@contoso.com"))
    lab.apply(tenant)
    lab.sync()
    plain = "x" * 20
    assert lab.ldap_user(plain + "@contoso.com")["sAMAccountName"] == [plain]
    assert lab.ctl("user", plain + "@contoso.com")["generated"] is False
    assert GENERATED.fullmatch(lab.ldap_user(
        plain + "x@contoso.com")["sAMAccountName"][0])
    assert lab.ctl("user", plain + "x@contoso.com")["generated"] is True


def test_rule_5_plain_name_is_the_nickname_not_the_prefix(lab):
    upn = "nick.of.mine@contoso.com"
    entry = lab.ldap_user(upn)
    assert entry["sAMAccountName"] == ["maria.schulz"]
    assert lab.ctl("user", upn)["generated"] is False
    assert lab.passwd(f"{NETBIOS}\\maria.schulz")[0] == upn


def test_rule_5_group_name_is_the_display_name(lab):
    assert lab.ldap_group("Platform Team")["displayName"] == ["Platform Team"]
    shown = lab.ctl("group", "platform team@aaddscontoso.com")
    assert shown["sAMAccountName"] == "Platform Team"
    assert shown["generated"] is False


def test_rule_5_generated_group_name(lab):
    found = lab.ldapsearch("(displayName=Project X)", "sAMAccountName")
    assert len(found) == 2
    for entry in found:
        sam = entry["sAMAccountName"][0]
        assert GENERATED.fullmatch(sam)[1] == "Project X"
        shown = lab.ctl("group", f"{sam}@aaddscontoso.com")
        assert shown["sAMAccountName"] == sam
        assert len(lab.group(f"{NETBIOS}\\{sam}")[3].split(",")) == 1


# ---- rule 6: SIDs -----------------------------------------------------------

@pytest.mark.parametrize("upn, sid", [
    (OLIVIA, CORP + "-1107"), ("frank@fabrikam.com", FABRIKAM + "-1107")])
def test_rule_6_own_sid_and_sid_history(lab, upn, sid):
    entry = lab.ldap_user(upn)
    assert entry["sIDHistory"] == [sid]
    assert entry["objectSid"][0].startswith(domain_sid(lab) + "-")
    shown = lab.ctl("user", upn)
    assert shown["objectSid"] == entry["objectSid"][0]
    assert shown["origin"] == "onprem"


def test_rule_6_group_sid_and_history(lab):
    entry = lab.ldap_group("Fileserver Users")
    assert entry["sIDHistory"] == [CORP + "-1200"]
    assert entry["objectSid"][0].startswith(domain_sid(lab) + "-")
    shown = lab.ctl("group", "fileserver users@aaddscontoso.com")
    assert shown["objectSid"] == entry["objectSid"][0]
    assert shown["origin"] == "onprem"


def test_rule_6_no_sid_of_the_domain_is_from_the_forests(lab):
    own = domain_sid(lab)
    entries = lab.ldapsearch(f"(|(objectSid={own}-*)(objectClass=user)"
                             "(&(objectClass=group)(msDS-AzureADObjectId=*)))",
                             "objectSid")
    assert len(entries) > 50
    assert all(e["objectSid"][0].startswith(own + "-") for e in entries)
    assert own not in (CORP, FABRIKAM)


def test_rule_6_older_sid_history_is_not_carried(lab, tenant):
    assert user_of(tenant, "oscar@contoso.com")["onPremisesSidHistory"]
    entry = lab.ldap_user("oscar@contoso.com")
    assert entry["sIDHistory"] == [CORP + "-1108"]
    assert lab.ctl("user", "oscar@contoso.com")["origin"] == "onprem"


def test_rule_6_cloud_only_has_no_sid_history(lab):
    assert "sIDHistory" not in lab.ldap_user(ALICE)
    assert lab.ctl("user", ALICE)["origin"] == "cloud"


# ---- rule 7: forests, flattened ---------------------------------------------

def test_rule_7_several_suffixes_of_several_forests(lab):
    sids = set()
    for upn in (OLIVIA, "frank@fabrikam.com", ALICE,
                "ivan@contoso.onmicrosoft.com"):
        entry = lab.ldap_user(upn)
        sids |= {sid.rpartition("-")[0] for sid in
                 entry.get("sIDHistory", [])}
        assert entry["dn"].endswith("," + AADDC_USERS)
        assert lab.passwd(upn)[0] == upn
        assert lab.ssh(upn, PASSWORD).returncode == 0
    assert sids == {CORP, FABRIKAM}
    # One RID in both forests, two identities.
    assert lab.passwd(OLIVIA)[2] != lab.passwd("frank@fabrikam.com")[2]


def test_rule_7_upn_conflicts_do_not_come_this_far(lab, tmp_path):
    path = tmp_path / "tenant.json"
    one = ('{"userPrincipalName": "a@contoso.com", "mailNickname": "%s", '
           '"displayName": "A"}')
    path.write_text('{"users": [%s, %s]}' % (one % "a", one % "b"))
    result = dslab("apply", "--name", lab.name, str(path))
    assert result.returncode == 1
    assert "users[1].userPrincipalName" in result.stderr
    assert lab.ldapsearch("(userPrincipalName=a@contoso.com)") == []
    assert lab.passwd("a@contoso.com") is None


def test_rule_7_everything_synchronized_is_flat_in_aaddc_users(lab):
    entries = lab.ldapsearch(
        "(|(msDS-aadObjectId=*)(msDS-AzureADObjectId=*))",
        "userPrincipalName", "sAMAccountName")
    assert len(entries) > 40
    for entry in entries:
        assert re.sub(r"^CN=(\\.|[^\\,])*,", "", entry["dn"]) == AADDC_USERS
    # Olivia's own place on-premises is not seen anywhere.
    shown = lab.ctl("user", OLIVIA)
    assert shown["distinguishedName"] == lab.ldap_user(OLIVIA)["dn"]
    assert shown["custom_ou"] is False


def test_rule_7_computers_are_in_aaddc_computers(lab):
    found = lab.ldapsearch("(&(objectClass=computer)"
                           "(!(primaryGroupID=516)))", "dn")
    assert [e["dn"] for e in found] == [
        f"CN=HOST1,OU=AADDC Computers,{DOMAIN_DN}"]
    assert lab.passwd(f"{NETBIOS}\\HOST1$") is None


def test_rule_7_custom_units_hold_what_only_the_domain_has(lab):
    unit = f"OU=Service Accounts,{DOMAIN_DN}"
    names = {e["sAMAccountName"][0] for e in lab.ldapsearch(
        "(sAMAccountName=*)", "sAMAccountName", base=unit)}
    assert names == {"svc-backup", "svc-no-upn", "contractor",
                     "backup-operators-lab"}
    entry = lab.ldap_user("svc-backup@aaddscontoso.com")
    assert "msDS-aadObjectId" not in entry and "sIDHistory" not in entry
    shown = lab.ctl("user", "svc-backup@aaddscontoso.com")
    assert shown["custom_ou"] is True
    assert "backup-operators-lab" in host_groups(
        lab, "svc-backup@aaddscontoso.com")
    assert lab.ssh("svc-backup@aaddscontoso.com",
                   "Service-Pass-1").returncode == 0


# ---- rule 8: what is not synchronized ---------------------------------------

def test_rule_8_excluded_attributes(lab, tenant):
    """Alice has them in the tenant; no value of them is in the domain."""
    alice = user_of(tenant, ALICE)
    values = ("Permanent", "alice@home.example", "blue-badge")
    assert alice["employeeType"] == values[0]
    assert alice["otherMails"] == [values[1]]
    assert alice["onPremisesExtensionAttributes"] == {
        "extensionAttribute1": values[2]}
    held = str(lab.ldap_user(ALICE))
    shown = lab.output("dssyncctl", "user", ALICE, "--json")
    for value in values:
        assert value not in held and value not in shown


def test_rule_8_group_policies_and_sysvol(lab):
    """Nothing but the two policies that any domain is born with."""
    policies = lab.ldapsearch("(objectClass=groupPolicyContainer)",
                              "displayName")
    assert sorted(e["displayName"][0] for e in policies) == [
        "Default Domain Controllers Policy", "Default Domain Policy"]
    held = lab.dc_output("find", "/var/lib/samba/sysvol", "-type", "f")
    assert all("{31B2F340-016D-11D2-945F-00C04FB984F9}" in line or
               "{6AC1786C-016F-11D2-945F-00C04FB984F9}" in line
               for line in held.splitlines())
    # Such a container is no identity either.
    assert lab.passwd("default domain policy@aaddscontoso.com") is None


def test_rule_8_only_joined_computers(lab):
    found = lab.ldapsearch("(objectClass=computer)", "sAMAccountName")
    assert {e["sAMAccountName"][0] for e in found} == {"DC1$", "HOST1$"}
    users = lab.output("getent", "passwd")
    assert "host1" not in users and "dc1" not in users


def test_rule_8_no_unit_of_the_forests(lab, tenant):
    where = user_of(tenant, OLIVIA)["onPremisesDistinguishedName"]
    assert "OU=Shipping" in where
    found = lab.ldapsearch("(objectClass=organizationalUnit)", "ou")
    assert {e["ou"][0] for e in found} == {
        "AADDC Users", "AADDC Computers", "Domain Controllers",
        "Service Accounts"}
    assert "Shipping" not in lab.output("dssyncctl", "user", OLIVIA, "--json")


# ---- the attribute tables: every row ----------------------------------------

USER_ROWS = [       # tenant property, attribute, values in the directory
    ("city", "l", ["Seattle"]),
    ("companyName", "company", ["Contoso"]),
    ("country", "co", ["United States"]),
    ("department", "department", ["Engineering"]),
    ("displayName", "displayName", ["Alice Archer"]),
    ("employeeId", "employeeID", ["1001"]),
    ("faxNumber", "facsimileTelephoneNumber", ["+1 206 555 0102"]),
    ("givenName", "givenName", ["Alice"]),
    ("jobTitle", "title", ["Engineer"]),
    ("mail", "mail", ["alice@contoso.com"]),
    ("mailNickname", "msDS-AzureADMailNickname", ["alice"]),
    ("mailNickname", "sAMAccountName", ["alice"]),
    ("manager", "manager", [f"CN=Grace Gordon,{AADDC_USERS}"]),
    ("mobilePhone", "mobile", ["+1 206 555 0101"]),
    ("id", "msDS-aadObjectId", ["b7b1e1a6-35a5-4c0c-8f0d-5a1f0c6a1001"]),
    ("officeLocation", "physicalDeliveryOfficeName", ["12/1101"]),
    ("postalCode", "postalCode", ["98101"]),
    ("preferredLanguage", "preferredLanguage", ["en-US"]),
    ("proxyAddresses", "proxyAddresses",
     ["SMTP:alice@contoso.com", "smtp:alice.archer@contoso.com"]),
    ("state", "st", ["WA"]),
    ("streetAddress", "streetAddress", ["1 Pine Street"]),
    ("surname", "sn", ["Archer"]),
    ("businessPhones", "telephoneNumber", ["+1 206 555 0100"]),
    ("userPrincipalName", "userPrincipalName", [ALICE]),
]
GROUP_ROWS = [
    ("displayName", "displayName", ["Fileserver Users"]),
    ("displayName", "sAMAccountName", ["Fileserver Users"]),
    ("mail", "mail", ["fileserver@contoso.com"]),
    ("mailNickname", "msDS-AzureADMailNickname", ["fileserver.users"]),
    ("id", "msDS-AzureADObjectId", ["3e5f2d0c-7c11-4b0d-9f2e-6a551200aa01"]),
    ("proxyAddresses", "proxyAddresses",
     ["SMTP:fileserver@contoso.com", "smtp:files@contoso.com"]),
]
FILESERVER = "fileserver users@aaddscontoso.com"


@pytest.mark.parametrize("source, attribute, values", USER_ROWS)
def test_user_row(lab, tenant, source, attribute, values):
    assert source in user_of(tenant, ALICE)
    assert sorted(lab.ldap_user(ALICE)[attribute]) == sorted(values)


@pytest.mark.parametrize("source, attribute, values", GROUP_ROWS)
def test_group_row(lab, tenant, source, attribute, values):
    assert source in group_of(tenant, "Fileserver Users")
    assert sorted(lab.ldap_group("Fileserver Users")[attribute]) == \
        sorted(values)


def shown_attributes(lab, kind, name, rows):
    """What dssyncctl shows for the rows' attributes, each as a sorted list."""
    shown = lab.ctl(kind, name)["attributes"]
    result = {}
    for _, attribute, _ in rows:
        value = shown.get(attribute, [])
        result[attribute] = sorted(value if isinstance(value, list)
                                   else [value])
    return result


def test_host_shows_every_user_attribute(lab):
    """As the directory holds them, and a manager by the name on the host."""
    expected = {attribute: sorted(values)
                for _, attribute, values in USER_ROWS}
    assert lab.ldap_user(GRACE)["dn"] == expected["manager"][0]
    expected["manager"] = [GRACE]
    assert shown_attributes(lab, "user", ALICE, USER_ROWS) == expected
    text = lab.output("dssyncctl", "user", ALICE)
    for attribute, values in expected.items():
        for value in values:
            assert value in text, attribute


def test_host_shows_every_group_attribute(lab):
    assert shown_attributes(lab, "group", FILESERVER, GROUP_ROWS) == {
        attribute: sorted(values) for _, attribute, values in GROUP_ROWS}
    text = lab.output("dssyncctl", "group", FILESERVER)
    for _, attribute, values in GROUP_ROWS:
        for value in values:
            assert value in text, attribute


def test_host_shows_sid_history_and_control(lab):
    """The rows that are not plain text: SIDs, bits, the group's type."""
    shown = lab.ctl("user", OLIVIA)["attributes"]
    assert shown["sIDHistory"] in (CORP + "-1107", [CORP + "-1107"])
    shown = lab.ctl("group", FILESERVER)["attributes"]
    assert shown["sIDHistory"] in (CORP + "-1200", [CORP + "-1200"])
    for upn, bits in (("disabled@aaddscontoso.com", 0x202),
                      ("evergreen@aaddscontoso.com", 0x10200)):
        shown = lab.ctl("user", upn)["attributes"]
        assert int(shown["userAccountControl"]) == bits


def test_host_says_that_a_group_name_was_generated(lab):
    for entry in lab.ldapsearch("(displayName=Project X)", "sAMAccountName"):
        sam = entry["sAMAccountName"][0]
        assert lab.ctl("group", f"{sam}@aaddscontoso.com")["generated"]
        assert "generated" in lab.output("dssyncctl", "group",
                                         f"{sam}@aaddscontoso.com")
    # A group's name comes from the displayName, whatever the nickname is.
    assert lab.ctl("group", FILESERVER)["generated"] is False


def test_host_says_why_a_name_differs_from_the_upn(lab):
    text = lab.output("dssyncctl", "user", "driley@contoso.com")
    assert re.search(r"driley \([0-9a-f]{6}\).*generated.*nickname", text)


def test_user_row_account_enabled(lab, tenant):
    upn = "leaver@contoso.com"
    assert lab.ldap_user(upn)["userAccountControl"] == [str(0x200)]
    assert lab.ssh(upn, PASSWORD).returncode == 0
    user_of(tenant, upn)["accountEnabled"] = False
    lab.apply(tenant)
    lab.sync()
    assert lab.ldap_user(upn)["userAccountControl"] == [str(0x202)]
    assert lab.ctl("user", upn)["enabled"] is False
    assert lab.ssh(upn, PASSWORD).returncode == 5
    user_of(tenant, upn)["accountEnabled"] = True
    lab.apply(tenant)
    lab.sync()
    assert lab.ldap_user(upn)["userAccountControl"] == [str(0x200)]
    assert lab.ssh(upn, PASSWORD).returncode == 0


def test_user_row_password_policies(lab):
    """Both passwords are years old; one is never to expire."""
    never = lab.ldap_user("evergreen@aaddscontoso.com")
    assert never["userAccountControl"] == [str(0x10200)]
    assert lab.ssh("evergreen@aaddscontoso.com", PASSWORD).returncode == 0
    old = lab.ldap_user("expired@aaddscontoso.com")
    assert old["userAccountControl"] == [str(0x200)]
    assert old["pwdLastSet"] == never["pwdLastSet"]
    assert lab.ssh("expired@aaddscontoso.com", PASSWORD).returncode != 0


def test_user_row_on_premises_security_identifier(lab):
    assert lab.ldap_user(OLIVIA)["sIDHistory"] == [CORP + "-1107"]
    assert lab.ctl("user", OLIVIA)["origin"] == "onprem"


def test_group_row_on_premises_security_identifier(lab):
    assert lab.ldap_group("Fileserver Users")["sIDHistory"] == [
        CORP + "-1200"]
    assert lab.ctl("group", FILESERVER)["origin"] == "onprem"


def test_group_row_security_enabled(lab):
    """A distribution group is no group of a login."""
    assert lab.ldap_group("All Staff")["groupType"] == ["-2147483646"]
    letter = lab.ldap_group("Newsletter")
    assert letter["groupType"] == ["2"] and letter["member"]
    groups = host_groups(lab, ALICE)
    assert "all staff" in groups and "newsletter" not in groups


# ---- the password states and the policy -------------------------------------

def test_force_change_password_next_sign_in(lab):
    upn = "mustchange@aaddscontoso.com"
    assert lab.ldap_user(upn)["pwdLastSet"] == ["0"]
    assert lab.ssh(upn, PASSWORD).stdout == ""


def test_default_password_policy(lab):
    found = lab.ldapsearch("(objectClass=domainDNS)", scope="base")[0]
    minute = 60 * 10**7
    assert found["lockoutThreshold"] == ["5"]
    assert found["lockoutDuration"] == [str(-30 * minute)]
    assert found["maxPwdAge"] == [str(-90 * 24 * 60 * minute)]


def test_five_bad_attempts_lock_an_account(lab):
    upn = "lockme@aaddscontoso.com"
    assert lab.ssh(upn, PASSWORD).returncode == 0
    assert lab.ssh(upn, "Wrong-Horse-1").returncode == 5
    assert lab.ldap_user(upn)["badPwdCount"] == ["1"]
    # The others not by ssh, where each would be slower than the one before.
    for count in range(2, 6):
        assert lab.host("kinit", "-E", "-c", "MEMORY:", upn,
                        input="Wrong-Horse-1\n").returncode != 0
        assert lab.ldap_user(upn)["badPwdCount"] == [str(count)]
    try:
        assert int(lab.ldap_user(upn)["lockoutTime"][0]) > 0
        assert lab.ssh(upn, PASSWORD).returncode == 5
    finally:
        lab.unlock(upn)
    wait_until("the account is open again",
               lambda: lab.ssh(upn, PASSWORD).returncode == 0)
