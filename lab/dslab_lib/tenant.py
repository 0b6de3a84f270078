# SPDX-License-Identifier: GPL-3.0-or-later
"""The tenant file: read it, check it, name every mistake by its path.

A mistake reads like `tenant.json: users[3].userPrincipalName: expected ...`.
"""

import json
import uuid

from .errors import LabError
from .schema import (FOREST, GROUP, LIST, LOCAL_GROUP, LOCAL_USER, REQUIRED,
                     TENANT, UNIT, USER)

DEFAULT_DOMAIN = {"dnsName": "aaddscontoso.com",
                  "netbiosName": "AADDSCONTOSO"}
DEFAULT_SCOPE = {"users": "all", "groups": "both"}
# Ids that a file leaves out are made from the name, the same every time.
ID_NAMESPACE = uuid.UUID("5b0d2f6e-6a55-4c2d-9d4a-3f5d2f0f7c11")


class Checker:
    """Collects every mistake of one file, so that one run shows them all."""

    def __init__(self):
        self.mistakes = []

    def mistake(self, path, expected):
        self.mistakes.append(f"{path}: expected {expected}")

    def record(self, path, value, fields, required=()):
        if not isinstance(value, dict):
            self.mistake(path or "the file", "an object {...}")
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
            self.mistake(path, LIST[1])
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
    lists = {"onPremisesForests": FOREST, "users": USER, "groups": GROUP,
             "customOUs": UNIT}
    found = {name: checker.records(name, tenant.get(name, []), fields,
                                   REQUIRED[name])
             for name, fields in lists.items()}
    for path in ("users", "groups"):
        checker.unique(path, found[path], "id")
    checker.unique("users", found["users"], "userPrincipalName")
    checker.unique("onPremisesForests", found["onPremisesForests"],
                   "domainSid")
    for number, unit in enumerate(found["customOUs"]):
        for kind, fields in (("users", LOCAL_USER), ("groups", LOCAL_GROUP)):
            checker.records(f"customOUs[{number}].{kind}",
                            unit.get(kind, []), fields,
                            REQUIRED[f"local {kind}"])


def check_on_premises_sids(checker, tenant):
    """Each SID belongs to one object of one of the forests."""
    domains = [f["domainSid"] for f in tenant["onPremisesForests"]]
    seen = {}
    for path in ("users", "groups"):
        for number, item in enumerate(tenant[path]):
            sid = item.get("onPremisesSecurityIdentifier")
            where = f"{path}[{number}]"
            if sid is None:
                continue
            if domains and sid.rpartition("-")[0] not in domains:
                checker.mistake(f"{where}.onPremisesSecurityIdentifier",
                                "a SID from one of the domains of "
                                f"onPremisesForests, not {sid}")
            first = seen.setdefault(sid, where)
            if first != where:
                checker.mistake(f"{where}.onPremisesSecurityIdentifier",
                                f"a value of its own, but {first} has "
                                f"{sid} too")


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
    """What `members`, `manager` or a filter may say -> the object's key."""
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

    def resolve_list(path, owner, name):
        owner[name] = [resolve(f"{path}.{name}[{n}]", text)
                       for n, text in enumerate(owner[name])]

    for number, group in enumerate(tenant["groups"]):
        resolve_list(f"groups[{number}]", group, "members")
    for number, unit in enumerate(tenant["customOUs"]):
        for inner, group in enumerate(unit["groups"]):
            resolve_list(f"customOUs[{number}].groups[{inner}]", group,
                         "members")
    for number, user in enumerate(tenant["users"]):
        if "manager" in user:
            user["manager"] = resolve(f"users[{number}].manager",
                                      user["manager"])
    if "filter" in tenant["scope"]:
        resolve_list("scope", tenant["scope"], "filter")


def fail_on_mistakes(checker, path):
    if checker.mistakes:
        raise LabError("\n".join(f"{path}: {m}" for m in checker.mistakes))


def read_json(path):
    try:
        with open(path, encoding="utf-8") as stream:
            return json.load(stream)
    except OSError as error:
        raise LabError(f"{path}: {error.strerror}") from None
    except json.JSONDecodeError as error:
        raise LabError(f"{path}:{error.lineno}:{error.colno}: "
                       f"not JSON: {error.msg}") from None
    except UnicodeDecodeError:
        raise LabError(f"{path}: expected UTF-8") from None


def set_defaults(tenant):
    tenant.setdefault("domain", DEFAULT_DOMAIN)
    tenant["scope"] = {**DEFAULT_SCOPE, **tenant.get("scope", {})}
    for name in ("onPremisesForests", "users", "groups", "customOUs"):
        tenant.setdefault(name, [])
    for unit in tenant["customOUs"]:
        unit.setdefault("users", [])
        unit.setdefault("groups", [])
    for group in tenant["groups"] + [g for u in tenant["customOUs"]
                                     for g in u["groups"]]:
        group.setdefault("members", [])


def load_tenant(path):
    """Read and check a tenant file; LabError names every mistake in it."""
    return check_tenant(read_json(path), path)


def check_tenant(tenant, path):
    """Check a tenant in place and complete it.

    The result has every list, every id, and members as keys of objects.
    """
    checker = Checker()
    checker.record("", tenant, TENANT)
    if isinstance(tenant, dict):
        check_lists(checker, tenant)
    fail_on_mistakes(checker, path)
    set_defaults(tenant)
    check_on_premises_sids(checker, tenant)
    add_ids(tenant)
    resolve_references(checker, tenant)
    fail_on_mistakes(checker, path)
    return tenant
