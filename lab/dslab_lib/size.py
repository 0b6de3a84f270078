# SPDX-License-Identifier: GPL-3.0-or-later
"""Make up a tenant of a given size, the same one every time.

Real ones are uneven: a few groups hold nearly everybody and most hold a
handful, some groups are nested, and some people need a generated name.
"""

import random
import uuid

from .errors import LabError
from .tenant import ID_NAMESPACE

SUFFIXES = ("aaddscontoso.com", "contoso.com", "contoso.onmicrosoft.com")
PASSWORD = "Correct-Horse-1"
GENERATED_SHARE = 0.03
NESTED_SHARE = 0.2
FIRST = ("Ada", "Ben", "Cleo", "Dev", "Elif", "Finn", "Gita", "Hugo", "Ines",
         "Jon", "Kira", "Liam", "Mia", "Noor", "Otto", "Priya", "Quinn",
         "Rosa", "Sven", "Tara")
LAST = ("Abbott", "Baker", "Costa", "Dietz", "Evans", "Fischer", "Gomez",
        "Haddad", "Ito", "Jensen", "Kovacs", "Lindt", "Meyer", "Novak",
        "Olsen", "Petrov", "Quist", "Rossi", "Silva", "Tanaka")


def made_id(kind, number):
    return str(uuid.uuid5(ID_NAMESPACE, f"sized {kind} {number}"))


def nickname_of(number, users, marked):
    """3% need a generated name: too long for one, or shared by two."""
    step = max(1, users // max(1, marked))
    turn = number // step
    if number % step or turn >= marked:
        return f"user{number:06d}"
    alone = turn == marked - 1 and turn % 4 == 2
    if turn % 4 < 2 or alone:
        return f"long.nickname.of.{number:06d}"
    return f"shared{turn // 4:06d}"


def made_user(number, nickname):
    first = FIRST[number % len(FIRST)]
    last = LAST[number // len(FIRST) % len(LAST)]
    name = f"user{number:06d}"
    return {
        "id": made_id("user", number), "mailNickname": nickname,
        "userPrincipalName": f"{name}@{SUFFIXES[number % len(SUFFIXES)]}",
        "givenName": first, "surname": last,
        "displayName": f"{first} {last} {number}",
        "mail": f"{name}@contoso.com", "department": f"D{number % 40}",
        "passwordProfile": {"password": PASSWORD},
    }


def sizes(groups, memberships, largest):
    """How many members each group has: a long tail, `memberships` in all."""
    weights = [1 / (rank + 1) ** 0.9 for rank in range(groups)]
    result, left = [0] * groups, memberships
    while left > 0:
        open_ones = [n for n in range(groups) if result[n] < largest]
        whole, share = sum(weights[n] for n in open_ones), left
        for n in open_ones:
            more = min(max(1, int(share * weights[n] / whole)),
                       largest - result[n], left)
            result[n] += more
            left -= more
    return result


def made_group(number, size, groups, users, chance):
    members = chance.sample(range(users), min(size, users))
    members = [made_id("user", n) for n in sorted(members)]
    # Only later groups in earlier ones, so that there is no cycle.
    if members and number + 1 < groups and chance.random() < NESTED_SHARE:
        inner = chance.randrange(number + 1, min(groups, number + 50))
        members[-1] = made_id("group", inner)
    return {"id": made_id("group", number),
            "displayName": f"Group {number:05d}", "members": members}


def generate(users, groups, memberships):
    """A tenant as a tenant file would hold it."""
    chance = random.Random(f"{users} {groups} {memberships}")
    marked = round(users * GENERATED_SHARE)
    if memberships > users * groups:
        raise LabError(f"{groups} groups of at most {users} users have no "
                       f"room for {memberships} memberships")
    return {
        "users": [made_user(n, nickname_of(n, users, marked))
                  for n in range(users)],
        "groups": [made_group(n, size, groups, users, chance) for n, size
                   in enumerate(sizes(groups, memberships, users))],
    }
