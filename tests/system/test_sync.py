# SPDX-License-Identifier: GPL-3.0-or-later
"""What the mirror takes over, and how changes of it arrive."""

import pytest

from laboratory import user_of

ALICE = "alice@aaddscontoso.com"
GRACE = "grace@aaddscontoso.com"
SHOWN = ["l", "company", "co", "department", "displayName", "employeeID",
         "facsimileTelephoneNumber", "givenName", "title", "mail",
         "msDS-AzureADMailNickname", "mobile", "msDS-aadObjectId",
         "physicalDeliveryOfficeName", "postalCode", "preferredLanguage",
         "proxyAddresses", "st", "streetAddress", "sn", "telephoneNumber",
         "userPrincipalName", "sAMAccountName", "userAccountControl"]
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
