# SPDX-License-Identifier: GPL-3.0-or-later
"""What the mirror takes over, and how changes of it arrive."""

import contextlib

import pytest

from laboratory import (DOMAIN_DN, PASSWORD, SAM_DB, new_user, user_of,
                        wait_until)

ALICE = "alice@aaddscontoso.com"
GRACE = "grace@aaddscontoso.com"
SHOWN = ["l", "company", "co", "department", "displayName", "employeeID",
         "facsimileTelephoneNumber", "givenName", "title", "mail",
         "msDS-AzureADMailNickname", "mobile", "msDS-aadObjectId",
         "physicalDeliveryOfficeName", "postalCode", "preferredLanguage",
         "proxyAddresses", "st", "streetAddress", "sn", "telephoneNumber",
         "userPrincipalName", "sAMAccountName", "userAccountControl"]
UNIT = f"OU=AADDC Users,{DOMAIN_DN}"
LISTS = ("proxyAddresses", "sIDHistory")


def shown(lab, user):
    return lab.ctl("user", user)["attributes"]


def test_every_mapped_attribute_is_shown_as_the_directory_has_it(lab):
    entry = lab.ldap_user(ALICE, *SHOWN)
    attributes = shown(lab, ALICE)
    for name in SHOWN:
        assert entry.get(name), f"the lab's alice has no {name}"
        value = attributes[name]
        assert sorted(value if name in LISTS else [value]) == \
            sorted(entry[name]), name
    assert attributes["manager"] == GRACE


def test_a_changed_or_cleared_attribute_arrives_by_a_delta(lab, tenant):
    alice = user_of(tenant, ALICE)
    alice["city"] = "Z\u00fcrich"
    alice["proxyAddresses"] = ["SMTP:new@contoso.com"]
    alice["manager"] = "heidi@contoso.com"
    del alice["department"]
    lab.apply(tenant)
    lab.sync()
    attributes = shown(lab, ALICE)
    assert attributes["l"] == "Z\u00fcrich"
    assert attributes["proxyAddresses"] == ["SMTP:new@contoso.com"]
    assert attributes["manager"] == "heidi@contoso.com"
    assert "department" not in attributes
    del alice["manager"]
    lab.apply(tenant)
    lab.sync()
    assert "manager" not in shown(lab, ALICE)


@pytest.mark.parametrize("argument", ["user", "group"])
def test_people_get_the_same_on_a_terminal(lab, argument):
    name = ALICE if argument == "user" else "engineering@aaddscontoso.com"
    text = lab.output("dssyncctl", argument, name)
    for value in lab.ctl(argument, name)["attributes"].values():
        for line in value if isinstance(value, list) else [value]:
            assert line.lower() in text.lower() or line.lstrip("-").isdigit()


# ---- a server that hangs up -------------------------------------------------

POLICY = ("CN=Default Query Policy,CN=Query-Policies,CN=Directory Service,"
          f"CN=Windows NT,CN=Services,CN=Configuration,{DOMAIN_DN}")


def limit_idle(lab, old, new):
    """For the connections from now on, in seconds."""
    lab.lab.dc.run(["ldbmodify", "-H", SAM_DB], input=(
        f"dn: {POLICY}\nchangetype: modify\n"
        f"delete: lDAPAdminLimits\nlDAPAdminLimits: MaxConnIdleTime={old}\n"
        "-\n"
        f"add: lDAPAdminLimits\nlDAPAdminLimits: MaxConnIdleTime={new}\n"))


def test_who_is_idle_too_long_comes_again(lab):
    """The server ends the connection; the next pull makes a new one."""
    conf = lab.lab.host.path("/etc/dssync/dssync.conf")
    before = conf.read_text()
    conf.write_text(before + "[sync]\ninterval = 1h\nnotify = no\n")
    try:
        limit_idle(lab, 900, 2)
        try:
            lab.daemon("restart")
            lab.sync()
            offset = len(lab.log())
            wait_until("the server ended the connection",
                       lambda: not lab.output("ss", "-Htn", "state",
                                              "established", "dst",
                                              "10.99.0.10"))
            assert lab.status()["problems"] == []
        finally:
            limit_idle(lab, 2, 900)
        lab.sync()
        status = lab.status()
        assert status["problems"] == []
        assert status["sync"]["server"].startswith("dc1.")
        assert "warning:" not in lab.log()[offset:]
    finally:
        conf.write_text(before)
        lab.daemon("restart")
        lab.sync()


# ---- what the account may not read any more ---------------------------------

def descriptor(lab, dn=UNIT, new=""):
    """The object's security descriptor in base64, set to `new` if given."""
    code = ("import sys, base64, ldb\n"
            "from dslab_lib.domain import open_sam\n"
            "sam, dn, new = open_sam(), *sys.argv[1:]\n"
            "name = 'nTSecurityDescriptor'\n"
            "if new:\n"
            "    m = ldb.Message(ldb.Dn(sam, dn))\n"
            "    m[name] = ldb.MessageElement(base64.b64decode(new),"
            " ldb.FLAG_MOD_REPLACE, name)\n"
            "    sam.modify(m, controls=['show_deleted:1'])\n"
            "found = sam.search(dn, ldb.SCOPE_BASE, attrs=[name],"
            " controls=['show_deleted:1'])\n"
            "print(base64.b64encode(found[0][name][0]).decode())")
    return lab.dc_output("env", "PYTHONPATH=/run/dslab",
                         "PYTHONDONTWRITEBYTECODE=1", "/usr/bin/python3",
                         "-c", code, dn, new).strip()


def host_sid(lab):
    return lab.object("(sAMAccountName=HOST1$)", "objectSid")["objectSid"][0]


@pytest.fixture
def withdrawn(lab):
    """The host's computer account may not read AADDC Users for a while."""
    sid = host_sid(lab)
    before = descriptor(lab)
    lab.dc_output("samba-tool", "dsacl", "set", "-H", SAM_DB,
                  f"--objectdn={UNIT}", f"--sddl=(D;CI;RPLCLORC;;;{sid})")
    yield
    descriptor(lab, new=before)
    lab.sync("--full")
    assert lab.passwd(ALICE)
    assert lab.status()["sync"]["held_count"] == 0


def test_a_withdrawn_read_right_takes_nobody_away(lab, withdrawn):
    lab.sync("--full")
    assert lab.passwd(ALICE)
    assert lab.status()["sync"]["held_count"] > 10


def test_nor_does_it_after_the_store_was_lost(lab, withdrawn):
    lab.daemon("stop")
    lab.shell("rm /var/lib/dssync/store/*")
    lab.daemon("start")
    wait_until("the pull is refused", lambda: "accept-deletes" in (
        (lab.status()["sync"] or {}).get("last_error") or ""))
    assert lab.passwd(ALICE)


# ---- the replication right ---------------------------------------------------

def grant(lab, dn, ace):
    """Put an entry first in the object's list; what was there before."""
    before = descriptor(lab, dn)
    code = ("import sys, base64\n"
            "from samba.ndr import ndr_unpack, ndr_pack\n"
            "from samba.dcerpc import security\n"
            "domain = security.dom_sid(sys.argv[1])\n"
            "old = ndr_unpack(security.descriptor,"
            " base64.b64decode(sys.argv[2])).as_sddl(domain)\n"
            "at = old.index('(')\n"
            "new = security.descriptor.from_sddl("
            "old[:at] + sys.argv[3] + old[at:], domain)\n"
            "print(base64.b64encode(ndr_pack(new)).decode())")
    domain = host_sid(lab).rsplit("-", 1)[0]
    new = lab.dc_output("/usr/bin/python3", "-c", code, domain, before, ace)
    descriptor(lab, dn, new.strip())
    return before


@contextlib.contextmanager
def replicates(lab, tombstones):
    """The host's account has "Replicating Directory Changes", and may read
    tombstones or not; gives what takes that back."""
    sid, deleted = host_sid(lab), f"CN=Deleted Objects,{DOMAIN_DN}"
    changes = "1131f6aa-9c07-11d1-f79f-00c04fc2dcd2"
    rights = [(DOMAIN_DN, grant(lab, DOMAIN_DN,
                                f"(OA;;CR;{changes};;{sid})"))]
    if tombstones:
        rights.append((deleted, grant(lab, deleted, f"(A;;RPLC;;;{sid})")))
    lab.sync("--full")
    assert "has the replication right" in \
        lab.status()["sync"]["strategy_why"]
    try:
        yield lambda: [descriptor(lab, dn, old) for dn, old in rights]
    finally:
        for dn, old in rights:
            descriptor(lab, dn, old)
        lab.sync("--full")


def test_deletions_are_told_with_the_replication_right(lab, tenant):
    with replicates(lab, tombstones=True) as withdraw:
        tenant["users"].append(new_user("told@contoso.com"))
        lab.apply(tenant)
        lab.sync()
        assert lab.passwd("told@contoso.com")
        tenant["users"].pop()
        lab.apply(tenant)
        lab.sync()      # no listing: the tombstone says it
        assert lab.passwd("told@contoso.com") is None
        withdraw()
        lab.sync()
        assert "without the replication right" in \
            lab.status()["sync"]["strategy_why"]
        assert lab.passwd(ALICE)


def test_without_tombstones_a_refused_login_tells(lab, tenant):
    """The directory has everything listed when it does not show one whom
    the mirror has, and who logs in."""
    with replicates(lab, tombstones=False):
        users = [f"untold{n}@contoso.com" for n in (1, 2)]
        tenant["users"] += [new_user(user) for user in users]
        lab.apply(tenant)
        lab.sync()
        for user in users:
            assert lab.ssh(user, PASSWORD).returncode == 0
        del tenant["users"][-2:]
        lab.apply(tenant)
        lab.sync()      # nothing says that they are gone
        assert lab.passwd(users[0]) and lab.passwd(users[1])
        assert lab.ssh(users[0], PASSWORD).returncode != 0
        wait_until("all who are gone have left", lambda: lab.passwd(
            users[0]) is None and lab.passwd(users[1]) is None)
        assert lab.passwd(ALICE)


# ---- a deletion that only a login tells of -------------------------------------

def test_whom_the_kdc_does_not_know_is_looked_at(lab):
    """By the host's own account, and long before everything is listed: the
    object goes, and leaves its groups, without a word of theirs."""
    user, group = "forgotten@aaddscontoso.com", "memory@aaddscontoso.com"
    lab.make_member("forgotten", "Memory", "alice")
    try:
        with lab.configured("[sync]\ninterval = 1h\nnotify = no") as log:
            lab.sync()
            assert lab.ssh(user, PASSWORD).returncode == 0
            assert user in lab.group(group)[3].split(",")
            lab.dc_output("samba-tool", "user", "delete", "forgotten", "-H",
                          SAM_DB)
            lab.sync()
            assert lab.passwd(user)     # nothing says that it is gone
            assert user in lab.group(group)[3].split(",")
            assert lab.ssh(user, PASSWORD).returncode != 0
            wait_until("it has left", lambda: lab.passwd(user) is None)
            assert lab.group(group)[3] == ALICE
            assert "load" not in log(), log()
    finally:
        lab.dc("samba-tool", "user", "delete", "forgotten", "-H", SAM_DB)
        lab.dc_output("samba-tool", "group", "delete", "Memory", "-H", SAM_DB)
        lab.sync("--full")


# ---- members of other domains ------------------------------------------------

def test_a_foreign_security_principal_is_no_member_here(lab):
    foreign = "S-1-5-21-1111111111-222222222-333333333-1104"
    sam = lab.user_object(ALICE, "sAMAccountName")["sAMAccountName"][0]
    group = "mixed team@aaddscontoso.com"
    lab.dc_output("samba-tool", "group", "add", "mixed team", "-H", SAM_DB,
                  "--groupou=OU=AADDC Users")
    try:
        lab.dc_output("samba-tool", "group", "addmembers", "mixed team",
                      f"{sam},{foreign}", "-H", SAM_DB)
        members = lab.object("(sAMAccountName=mixed team)", "member")
        assert any(foreign in dn for dn in members["member"])
        lab.sync()
        assert lab.group(group)[3] == ALICE
        assert group in lab.group_names(ALICE)
        lab.sync("--full")
        assert lab.group(group)[3] == ALICE
        assert lab.status()["problems"] == []
        assert foreign not in lab.output("getent", "passwd")
    finally:
        lab.dc_output("samba-tool", "group", "delete", "mixed team", "-H",
                      SAM_DB)
        lab.dc("ldbdel", "-H", SAM_DB, f"CN={foreign},"
               f"CN=ForeignSecurityPrincipals,{DOMAIN_DN}")
        lab.sync("--full")
