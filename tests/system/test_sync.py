# SPDX-License-Identifier: GPL-3.0-or-later
"""What the mirror takes over, and how changes of it arrive."""

import pytest

from laboratory import DOMAIN_DN, SAM_DB, user_of, wait_until

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


# ---- what the account may not read any more ---------------------------------

def descriptor(lab, new=""):
    """The unit's security descriptor in base64, set to `new` if given."""
    code = ("import sys, base64, ldb\n"
            "from dslab_lib.domain import open_sam\n"
            "sam, dn, new = open_sam(), *sys.argv[1:]\n"
            "name = 'nTSecurityDescriptor'\n"
            "if new:\n"
            "    m = ldb.Message(ldb.Dn(sam, dn))\n"
            "    m[name] = ldb.MessageElement(base64.b64decode(new),"
            " ldb.FLAG_MOD_REPLACE, name)\n"
            "    sam.modify(m)\n"
            "found = sam.search(dn, ldb.SCOPE_BASE, attrs=[name])\n"
            "print(base64.b64encode(found[0][name][0]).decode())")
    return lab.dc_output("env", "PYTHONPATH=/run/dslab",
                         "PYTHONDONTWRITEBYTECODE=1", "/usr/bin/python3",
                         "-c", code, UNIT, new).strip()


@pytest.fixture
def withdrawn(lab):
    """The host's computer account may not read AADDC Users for a while."""
    sid = lab.object("(sAMAccountName=HOST1$)", "objectSid")["objectSid"][0]
    before = descriptor(lab)
    lab.dc_output("samba-tool", "dsacl", "set", "-H", SAM_DB,
                  f"--objectdn={UNIT}", f"--sddl=(D;CI;RPLCLORC;;;{sid})")
    yield
    descriptor(lab, before)
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
