# SPDX-License-Identifier: GPL-3.0-or-later
"""The tenant file: read it, check it, name every mistake by its path.

The property names are Microsoft Graph's.  A mistake reads like
`tenant.json: users[3].userPrincipalName: expected ...`.
"""

import json
import re
import uuid
from datetime import datetime

from .errors import LabError

DEFAULT_DOMAIN = {"dnsName": "aaddscontoso.com",
                  "netbiosName": "AADDSCONTOSO"}
# Ids that a file leaves out are made from the name, the same every time.
ID_NAMESPACE = uuid.UUID("5b0d2f6e-6a55-4c2d-9d4a-3f5d2f0f7c11")


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
        re.fullmatch(r"S-1-5-21(-\d{1,10}){4}", value) is not None


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

PLAIN_USER_PROPERTIES = (
    "city", "companyName", "country", "department", "employeeId", "faxNumber",
    "givenName", "jobTitle", "mail", "manager", "mobilePhone",
    "officeLocation", "postalCode", "preferredLanguage", "state",
    "streetAddress", "surname")

PASSWORD_PROFILE = {"password": TEXT, "forceChangePasswordNextSignIn": BOOL}
USER = {
    "id": GUID, "userPrincipalName": UPN, "mailNickname": TEXT,
    "displayName": TEXT, "accountEnabled": BOOL,
    "userType": one_of("Member", "Guest"),
    "passwordPolicies": one_of("None", "DisablePasswordExpiration",
                               "DisableStrongPassword",
                               "DisablePasswordExpiration, "
                               "DisableStrongPassword"),
    "passwordProfile": PASSWORD_PROFILE, "lastPasswordChangeDateTime": TIME,
    "onPremisesSecurityIdentifier": SID, "proxyAddresses": TEXTS,
    "businessPhones": TEXTS,
    **{name: TEXT for name in PLAIN_USER_PROPERTIES},
}
GROUP = {
    "id": GUID, "displayName": TEXT, "mailNickname": TEXT, "mail": TEXT,
    "securityEnabled": BOOL, "onPremisesSecurityIdentifier": SID,
    "proxyAddresses": TEXTS, "members": TEXTS,
}
# What an administrator makes in the domain itself: no tenant behind it.
LOCAL_USER = {
    "sAMAccountName": SAM, "userPrincipalName": UPN, "displayName": TEXT,
    "accountEnabled": BOOL, "passwordPolicies": USER["passwordPolicies"],
    "passwordProfile": PASSWORD_PROFILE, "lastPasswordChangeDateTime": TIME,
    "accountExpires": TIME,
}
LOCAL_GROUP = {"sAMAccountName": SAM, "displayName": TEXT, "members": TEXTS}

REQUIRED = {
    "users": ("userPrincipalName", "mailNickname", "displayName"),
    "groups": ("displayName",),
    "local users": ("sAMAccountName", "passwordProfile"),
    "local groups": ("sAMAccountName",),
    "customOUs": ("name",),
    "domain": ("dnsName", "netbiosName"),
    "passwordProfile": ("password",),
}


class Checker:
    """Collects every mistake of one file, so that one run shows them all."""

    def __init__(self):
        self.mistakes = []

    def mistake(self, path, expected):
        self.mistakes.append(f"{path}: expected {expected}")

    def record(self, path, value, fields, required=()):
        if not isinstance(value, dict):
            self.mistake(path, "an object {...}")
            return False
        for name, content in value.items():
            where = f"{path}.{name}" if path else name
            if name not in fields:
                self.mistake(where, "no such property here; known are "
                             + ", ".join(sorted(fields)))
            elif isinstance(fields[name], dict):
                self.record(where, content, fields[name],
                            REQUIRED.get(name, ()))
            elif not fields[name][0](content):
                self.mistake(where, f"{fields[name][1]}, "
                             f"not {json.dumps(content)}")
        for name in required:
            if name not in value:
                self.mistake(f"{path}.{name}" if path else name,
                             "a value: it is required")
        return True

    def records(self, path, value, fields, required):
        if not isinstance(value, list):
            self.mistake(path, "a list [...]")
            return []
        return [item for number, item in enumerate(value)
                if self.record(f"{path}[{number}]", item, fields, required)]

    def unique(self, path, items, name):
        seen = {}
        for number, item in enumerate(items):
            value = item.get(name)
            if not isinstance(value, str):
                continue
            first = seen.setdefault(value.casefold(), number)
            if first != number:
                self.mistake(f"{path}[{number}].{name}", "a value of its own,"
                             f" but {path}[{first}] has {value} too")


def check_lists(checker, tenant):
    users = checker.records("users", tenant.get("users", []), USER,
                            REQUIRED["users"])
    groups = checker.records("groups", tenant.get("groups", []), GROUP,
                             REQUIRED["groups"])
    for items, path in ((users, "users"), (groups, "groups")):
        checker.unique(path, items, "id")
    checker.unique("users", users, "userPrincipalName")
    any_list = (lambda v: isinstance(v, list), "a list [...]")
    units = checker.records(
        "customOUs", tenant.get("customOUs", []),
        {"name": TEXT, "users": any_list, "groups": any_list},
        REQUIRED["customOUs"])
    for number, unit in enumerate(units):
        for kind, fields in (("users", LOCAL_USER), ("groups", LOCAL_GROUP)):
            checker.records(f"customOUs[{number}].{kind}",
                            unit.get(kind, []), fields,
                            REQUIRED[f"local {kind}"])


def add_ids(tenant):
    for user in tenant["users"]:
        name = user["userPrincipalName"].lower()
        user.setdefault("id", str(uuid.uuid5(ID_NAMESPACE, "user " + name)))
    seen = {}
    for group in tenant["groups"]:
        name = group["displayName"].lower()
        # Two groups may share a name; the file's order tells them apart.
        count = seen[name] = seen.get(name, 0) + 1
        group.setdefault("id", str(uuid.uuid5(
            ID_NAMESPACE, f"group {count} {name}")))


def reference_table(tenant):
    """What a `members` or `manager` entry may say -> the object's key."""
    table = {}
    for user in tenant["users"]:
        for name in (user["id"], user["userPrincipalName"]):
            table.setdefault(name.casefold(), []).append(user["id"])
    for group in tenant["groups"]:
        for name in (group["id"], group["displayName"]):
            table.setdefault(name.casefold(), []).append(group["id"])
    for unit in tenant["customOUs"]:
        for item in unit["users"] + unit["groups"]:
            item["key"] = f"{unit['name']}/{item['sAMAccountName']}".lower()
            table.setdefault(item["sAMAccountName"].casefold(),
                             []).append(item["key"])
    return table


def resolve_references(checker, tenant):
    table = reference_table(tenant)

    def resolve(path, name):
        found = table.get(name.casefold(), [])
        if len(found) != 1:
            checker.mistake(path, "the userPrincipalName, the group's "
                            "displayName, or the id of exactly one object, "
                            f"but {len(found)} have {json.dumps(name)}")
            return None
        return found[0]

    def members(path, group):
        group["members"] = [resolve(f"{path}.members[{n}]", name)
                            for n, name in enumerate(group["members"])]

    for number, group in enumerate(tenant["groups"]):
        members(f"groups[{number}]", group)
    for number, unit in enumerate(tenant["customOUs"]):
        for inner, group in enumerate(unit["groups"]):
            members(f"customOUs[{number}].groups[{inner}]", group)
    for number, user in enumerate(tenant["users"]):
        if "manager" in user:
            user["manager"] = resolve(f"users[{number}].manager",
                                      user["manager"])


def fail_on_mistakes(checker, path):
    if checker.mistakes:
        raise LabError("\n".join(f"{path}: {m}" for m in checker.mistakes))


def load_tenant(path):
    """Read and check a tenant file; LabError names every mistake in it.

    The result has every list, every id, and members as keys of objects.
    """
    try:
        with open(path, encoding="utf-8") as stream:
            tenant = json.load(stream)
    except OSError as error:
        raise LabError(f"{path}: {error.strerror}") from None
    except json.JSONDecodeError as error:
        raise LabError(f"{path}:{error.lineno}:{error.colno}: "
                       f"not JSON: {error.msg}") from None
    except UnicodeDecodeError:
        raise LabError(f"{path}: expected UTF-8") from None
    checker = Checker()
    anything = (lambda value: True, "")
    checker.record("", tenant, {
        "domain": {"dnsName": DNS_NAME, "netbiosName": NETBIOS_NAME},
        "users": anything, "groups": anything, "customOUs": anything})
    if isinstance(tenant, dict):
        check_lists(checker, tenant)
    fail_on_mistakes(checker, path)
    tenant.setdefault("domain", DEFAULT_DOMAIN)
    for name in ("users", "groups", "customOUs"):
        tenant.setdefault(name, [])
    for unit in tenant["customOUs"]:
        unit.setdefault("users", [])
        unit.setdefault("groups", [])
    for group in tenant["groups"] + [g for u in tenant["customOUs"]
                                     for g in u["groups"]]:
        group.setdefault("members", [])
    add_ids(tenant)
    resolve_references(checker, tenant)
    fail_on_mistakes(checker, path)
    return tenant
