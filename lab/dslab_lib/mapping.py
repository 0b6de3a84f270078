# SPDX-License-Identifier: GPL-3.0-or-later
"""From a tenant to what the managed domain should hold, by its rules.

Pure functions: no directory here.  The rules are Microsoft's description of
how objects and credentials are synchronized into a managed domain.
"""

import re

SYNCED_UNIT = "AADDC Users"
ADMINISTRATORS = "AAD DC Administrators"
SAM_LIMIT = 20
CN_LIMIT = 64
ILLEGAL_IN_SAM = re.compile(r'["/\\\[\]:;|=,+*?<>@\x00-\x1f]')

USER_ATTRIBUTES = {
    "city": "l", "companyName": "company", "country": "co",
    "department": "department", "displayName": "displayName",
    "employeeId": "employeeID", "faxNumber": "facsimileTelephoneNumber",
    "givenName": "givenName", "jobTitle": "title", "mail": "mail",
    "mailNickname": "msDS-AzureADMailNickname", "mobilePhone": "mobile",
    "id": "msDS-aadObjectId", "officeLocation": "physicalDeliveryOfficeName",
    "postalCode": "postalCode", "preferredLanguage": "preferredLanguage",
    "proxyAddresses": "proxyAddresses", "state": "st",
    "streetAddress": "streetAddress", "surname": "sn",
    "businessPhones": "telephoneNumber",
    "userPrincipalName": "userPrincipalName",
}
GROUP_ATTRIBUTES = {
    "displayName": "displayName", "mail": "mail",
    "mailNickname": "msDS-AzureADMailNickname", "id": "msDS-AzureADObjectId",
    "proxyAddresses": "proxyAddresses",
}
LOCAL_ATTRIBUTES = {"userPrincipalName": "userPrincipalName",
                    "displayName": "displayName"}

UF_ACCOUNTDISABLE = 0x2
UF_NORMAL_ACCOUNT = 0x200
UF_DONT_EXPIRE_PASSWD = 0x10000
GLOBAL_SECURITY_GROUP = -2147483646
GLOBAL_DISTRIBUTION_GROUP = 2


def is_withheld(user):
    """Guests never come; nobody comes before the first password."""
    return user.get("userType") == "Guest" or "passwordProfile" not in user


def is_on_premises(item):
    """Synchronized into the tenant from a forest, not made in the cloud."""
    return item.get("onPremisesSyncEnabled",
                    "onPremisesSecurityIdentifier" in item)


def reached_by(names, groups):
    """Ids of the named objects and of everybody nested in named groups."""
    members = {g["id"]: g["members"] for g in groups}
    reached, waiting = set(), list(names)
    while waiting:
        key = waiting.pop()
        if key not in reached:
            reached.add(key)
            waiting += members.get(key, [])
    return reached


def in_scope(tenant):
    """The users and groups that are synchronized at all.

    The administrators' group always is: without it nobody could manage the
    domain.
    """
    scope = tenant["scope"]
    users = [u for u in tenant["users"] if not is_withheld(u)]
    groups = tenant["groups"]
    if scope["users"] == "cloud-only":
        users = [u for u in users if not is_on_premises(u)]
    if scope["groups"] != "both":
        wanted = scope["groups"] == "on-premises"
        groups = [g for g in groups if is_on_premises(g) == wanted
                  or g["displayName"] == ADMINISTRATORS]
    if "filter" in scope:
        reached = reached_by(scope["filter"], tenant["groups"])
        users = [u for u in users if u["id"] in reached]
        groups = [g for g in groups if g["id"] in reached
                  or g["displayName"] == ADMINISTRATORS]
    return users, groups


def shortened(name, key, limit):
    """A generated name: `stem (hex)`, the hex taken from the object's id."""
    suffix = f" ({key.replace('-', '')[:6]})"
    stem = ILLEGAL_IN_SAM.sub("", name)[:limit - len(suffix)].rstrip(" .")
    return stem + suffix


def counted(names):
    counts = {}
    for name in names:
        counts[name.casefold()] = counts.get(name.casefold(), 0) + 1
    return counts


def sam_names(users, groups, taken):
    """sAMAccountNames by object id.  `taken`: names the domain has already.

    It depends on the tenant alone, never on the order of arrival: all who
    share a mailNickname get generated names, and get the plain one back
    when nobody shares it any more.
    """
    nicknames = counted(u["mailNickname"] for u in users)
    titles = counted(g["displayName"] for g in groups)
    taken = {name.casefold() for name in taken}
    result = {}
    for user in users:
        name = user["mailNickname"]
        prefix = user["userPrincipalName"].partition("@")[0]
        generated = (nicknames[name.casefold()] > 1
                     or len(name) > SAM_LIMIT or len(prefix) > SAM_LIMIT
                     or ILLEGAL_IN_SAM.search(name) or name.endswith(".")
                     or name.casefold() in taken)
        result[user["id"]] = shortened(name, user["id"], SAM_LIMIT) \
            if generated else name
    taken |= {name.casefold() for name in result.values()}
    for group in groups:
        name = group["displayName"]
        generated = (titles[name.casefold()] > 1 or len(name) > CN_LIMIT
                     or ILLEGAL_IN_SAM.search(name) or name.endswith(".")
                     or name.casefold() in taken)
        result[group["id"]] = shortened(name, group["id"], CN_LIMIT) \
            if generated else name
    return result


def common_names(items):
    """RDNs by object id: the display name, made unique where shared."""
    counts = counted(item["displayName"][:CN_LIMIT] for item in items)
    result = {}
    for item in items:
        name = item["displayName"][:CN_LIMIT]
        if counts[name.casefold()] > 1:
            suffix = f" ({item['id'].replace('-', '')[:6]})"
            name = name[:CN_LIMIT - len(suffix)] + suffix
        result[item["id"]] = name
    return result


def attributes_of(item, table):
    result = {}
    for source, target in table.items():
        value = item.get(source)
        if value is None:
            continue
        if source == "businessPhones":
            value = value[:1]
        result[target] = value if isinstance(value, list) else [value]
    return result


def account_control(user):
    bits = UF_NORMAL_ACCOUNT
    if not user.get("accountEnabled", True):
        bits |= UF_ACCOUNTDISABLE
    if "DisablePasswordExpiration" in user.get("passwordPolicies", ""):
        bits |= UF_DONT_EXPIRE_PASSWD
    return bits


def user_object(user, key, unit, cn, sam, table):
    profile = user["passwordProfile"]
    attributes = attributes_of(user, table)
    attributes["sAMAccountName"] = [sam]
    return {
        "key": key, "kind": "user", "unit": unit, "cn": cn,
        "attributes": attributes, "control": account_control(user),
        "sid_history": user.get("onPremisesSecurityIdentifier"),
        "manager": user.get("manager"),
        "account_expires": user.get("accountExpires"),
        "password": profile["password"],
        "must_change": profile.get("forceChangePasswordNextSignIn", False),
        "password_changed": user.get("lastPasswordChangeDateTime"),
    }


def group_object(group, key, unit, cn, sam):
    attributes = attributes_of(group, GROUP_ATTRIBUTES)
    attributes["sAMAccountName"] = [sam]
    attributes["groupType"] = [str(
        GLOBAL_SECURITY_GROUP if group.get("securityEnabled", True)
        else GLOBAL_DISTRIBUTION_GROUP)]
    return {
        "key": key, "kind": "group", "unit": unit, "cn": cn,
        "attributes": attributes,
        "sid_history": group.get("onPremisesSecurityIdentifier"),
        "members": group["members"],
    }


def desired_objects(tenant, taken):
    """Every object that the domain should hold, users before groups."""
    users, groups = in_scope(tenant)
    # What an administrator made in the domain was there first.
    taken = [*taken, *(item["sAMAccountName"] for unit in tenant["customOUs"]
                       for item in unit["users"] + unit["groups"])]
    sams = sam_names(users, groups, taken)
    cns = common_names(users + groups)
    objects = [user_object(u, u["id"], SYNCED_UNIT, cns[u["id"]],
                           sams[u["id"]], USER_ATTRIBUTES) for u in users]
    for unit in tenant["customOUs"]:
        objects += [user_object(u, u["key"], unit["name"],
                                u["sAMAccountName"], u["sAMAccountName"],
                                LOCAL_ATTRIBUTES) for u in unit["users"]]
    objects += [group_object(g, g["id"], SYNCED_UNIT, cns[g["id"]],
                             sams[g["id"]]) for g in groups]
    for unit in tenant["customOUs"]:
        objects += [group_object(g, g["key"], unit["name"],
                                 g["sAMAccountName"], g["sAMAccountName"])
                    for g in unit["groups"]]
    return objects
