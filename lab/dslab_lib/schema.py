# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tenant file may say: the properties, and what each has to be.

The names of users' and groups' properties are Microsoft Graph's.  A type is
a pair: a test, and the words for what was expected.
"""

import re
import uuid
from datetime import datetime

DOMAIN_SID = r"S-1-5-21(-\d{1,10}){3}"


def is_text(value):
    return isinstance(value, str) and value != ""


def is_texts(value):
    return isinstance(value, list) and all(is_text(v) for v in value)


def is_bool(value):
    return isinstance(value, bool)


def is_guid(value):
    try:
        return str(uuid.UUID(value)) == value.lower()
    except (ValueError, AttributeError, TypeError):
        return False


def is_sid(value):
    return is_text(value) and \
        re.fullmatch(DOMAIN_SID + r"-\d{1,10}", value) is not None


def is_upn(value):
    # Entra's own limits; guests have "#EXT#" in the prefix.
    if not is_text(value) or value.count("@") != 1:
        return False
    prefix, suffix = value.split("@")
    return re.fullmatch(r"[A-Za-z0-9'._!#^~-]{1,64}", prefix) is not None \
        and not prefix.endswith(".") \
        and re.fullmatch(r"[A-Za-z0-9.-]{1,48}", suffix) is not None


def is_time(value):
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (ValueError, TypeError):
        return False


def one_of(*values):
    return (lambda value: value in values,
            "one of " + ", ".join(f'"{v}"' for v in values))


TEXT = (is_text, "a text that is not empty")
TEXTS = (is_texts, "a list of texts")
BOOL = (is_bool, "true or false")
GUID = (is_guid, "a GUID like 5b0d2f6e-6a55-4c2d-9d4a-3f5d2f0f7c11")
SID = (is_sid, "a SID like S-1-5-21-1-2-3-1107")
SIDS = (lambda v: isinstance(v, list) and all(is_sid(s) for s in v),
        "a list of SIDs like S-1-5-21-1-2-3-1107")
UPN = (is_upn, "a user principal name like driley@contoso.com (at most 64 "
       "characters of A-Z a-z 0-9 ' . _ ! # ^ ~ - before the @, no dot right "
       "before it, and at most 48 after)")
TIME = (is_time, "a time with its zone like 2026-01-31T12:00:00+00:00")
DNS_NAME = (lambda v: is_text(v) and re.fullmatch(
    r"[a-z0-9-]+(\.[a-z0-9-]+)+", v) is not None,
    "a DNS name in lower case like aaddscontoso.com")
NETBIOS_NAME = (lambda v: is_text(v) and re.fullmatch(
    r"[A-Z0-9-]{1,15}", v) is not None,
    "at most 15 of A-Z, 0-9 and -")
SAM = (lambda v: is_text(v) and re.search(
    r'["/\\\[\]:;|=,+*?<>\x00-\x1f]', v) is None,
    "a name without any of \" / \\ [ ] : ; | = , + * ? < >")
LIST = (lambda v: isinstance(v, list), "a list [...]")
TEXT_MAP = (lambda v: isinstance(v, dict) and all(
    is_text(x) for x in v.values()), "an object of texts {...}")

PASSWORD_PROFILE = {"password": TEXT, "forceChangePasswordNextSignIn": BOOL}
PASSWORD_POLICIES = one_of(
    "None", "DisablePasswordExpiration", "DisableStrongPassword",
    "DisablePasswordExpiration, DisableStrongPassword")

# Where an object comes from on-premises.  The last one is not Graph's: what
# the object's own sIDHistory holds there, which is never carried over.
ON_PREMISES = {
    "onPremisesSecurityIdentifier": SID, "onPremisesSyncEnabled": BOOL,
    "onPremisesDomainName": TEXT, "onPremisesSamAccountName": TEXT,
    "onPremisesLastSyncDateTime": TIME, "onPremisesSidHistory": SIDS,
}
# Properties that the managed domain does not take.
UNSYNCED_USER = {
    "onPremisesDistinguishedName": TEXT, "onPremisesUserPrincipalName": TEXT,
    "onPremisesImmutableId": TEXT, "onPremisesExtensionAttributes": TEXT_MAP,
    "createdDateTime": TIME, "employeeType": TEXT, "usageLocation": TEXT,
    "otherMails": TEXTS, "imAddresses": TEXTS, "aboutMe": TEXT,
    "ageGroup": TEXT, "securityIdentifier": TEXT,
}
UNSYNCED_GROUP = {
    "createdDateTime": TIME, "description": TEXT, "groupTypes": TEXTS,
    "isAssignableToRole": BOOL, "mailEnabled": BOOL,
    "onPremisesNetBiosName": TEXT, "securityIdentifier": TEXT,
    "visibility": TEXT,
}
PLAIN_USER_PROPERTIES = (
    "city", "companyName", "country", "department", "employeeId", "faxNumber",
    "givenName", "jobTitle", "mail", "manager", "mobilePhone",
    "officeLocation", "postalCode", "preferredLanguage", "state",
    "streetAddress", "surname")

USER = {
    "id": GUID, "userPrincipalName": UPN, "mailNickname": TEXT,
    "displayName": TEXT, "accountEnabled": BOOL,
    "userType": one_of("Member", "Guest"),
    "passwordPolicies": PASSWORD_POLICIES,
    "passwordProfile": PASSWORD_PROFILE, "lastPasswordChangeDateTime": TIME,
    "proxyAddresses": TEXTS, "businessPhones": TEXTS,
    **{name: TEXT for name in PLAIN_USER_PROPERTIES},
    **ON_PREMISES, **UNSYNCED_USER,
}
GROUP = {
    "id": GUID, "displayName": TEXT, "mailNickname": TEXT, "mail": TEXT,
    "securityEnabled": BOOL, "proxyAddresses": TEXTS, "members": TEXTS,
    **ON_PREMISES, **UNSYNCED_GROUP,
}
# What an administrator makes in the domain itself: no tenant behind it.
LOCAL_USER = {
    "sAMAccountName": SAM, "userPrincipalName": UPN, "displayName": TEXT,
    "accountEnabled": BOOL, "passwordPolicies": PASSWORD_POLICIES,
    "passwordProfile": PASSWORD_PROFILE, "lastPasswordChangeDateTime": TIME,
    "accountExpires": TIME,
}
LOCAL_GROUP = {"sAMAccountName": SAM, "displayName": TEXT, "members": TEXTS}
UNIT = {"name": TEXT, "users": LIST, "groups": LIST}
FOREST = {
    "dnsName": DNS_NAME, "netbiosName": NETBIOS_NAME,
    "domainSid": (lambda v: is_text(v) and
                  re.fullmatch(DOMAIN_SID, v) is not None,
                  "a domain's SID like S-1-5-21-1-2-3"),
}
SCOPE = {
    "users": one_of("all", "cloud-only"),
    "groups": one_of("both", "cloud-only", "on-premises"),
    "filter": TEXTS,
}
TENANT = {
    "domain": {"dnsName": DNS_NAME, "netbiosName": NETBIOS_NAME},
    "scope": SCOPE,
    # Lists of records; their own check says what is wrong inside.
    **{name: (lambda value: True, "") for name in (
        "onPremisesForests", "users", "groups", "customOUs")},
}

REQUIRED = {
    "users": ("userPrincipalName", "mailNickname", "displayName"),
    "groups": ("displayName",),
    "local users": ("sAMAccountName", "passwordProfile"),
    "local groups": ("sAMAccountName",),
    "customOUs": ("name",),
    "onPremisesForests": ("dnsName", "domainSid"),
    "domain": ("dnsName", "netbiosName"),
    "passwordProfile": ("password",),
}
