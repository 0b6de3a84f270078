# SPDX-License-Identifier: GPL-3.0-or-later
"""Change names where two objects may not have one name even for a moment.

When A is to be called what B is called now, B goes first; where they go in a
circle, one of them waits under a name that nobody has.
"""

import ldb

UNIQUE = ("sAMAccountName", "userPrincipalName")


class Renamer:
    def __init__(self, filler):
        self.filler = filler
        self.holder = {}
        for key, message in filler.present.items():
            for name in self.names_now(message):
                self.holder[name] = key

    @staticmethod
    def names_now(message):
        """What an object is called: (kind of name, name) pairs."""
        found = {("dn", str(message.dn.parent()).casefold(),
                  message.dn.get_rdn_value().casefold())}
        for name in UNIQUE:
            for value in message.get(name, []):
                found.add((name, str(value).casefold()))
        return found

    def names_wanted(self, item):
        found = {("dn", str(self.filler.unit_dn(item["unit"])).casefold(),
                  item["cn"].casefold())}
        for name in UNIQUE:
            for value in item["attributes"].get(name, []):
                found.add((name, value.casefold()))
        return found

    def blocked_by(self, item):
        """(name, key of its holder) for a name that another one has yet."""
        for name in self.names_wanted(item):
            key = self.holder.get(name, item["key"])
            if key != item["key"]:
                return name, key
        return None

    def update(self, item):
        for name in self.names_now(self.filler.present[item["key"]]):
            self.holder.pop(name, None)
        with self.filler.about(item):
            self.filler.update(item)
        for name in self.names_wanted(item):
            self.holder[name] = item["key"]

    def make_way(self, name, key):
        """Give the holder of a name one that nobody has, for a moment."""
        filler = self.filler
        message = filler.present[key]
        spare = f"dslab-{key.replace('/', '-')}"[:20]
        if name[0] == "dn":
            dn = ldb.Dn(filler.sam, f"CN={spare},{message.dn.parent()}")
            filler.sam.rename(message.dn, dn)
            message.dn = dn
        else:
            value = spare if name[0] == "sAMAccountName" else \
                f"{spare}@{name[1].partition('@')[2]}"
            filler.modify(message.dn, {name[0]: value})
            message[name[0]] = value
        del self.holder[name]

    def update_all(self, items):
        waiting = items
        while waiting:
            left = []
            for item in waiting:
                if self.blocked_by(item):
                    left.append(item)
                else:
                    self.update(item)
            if len(left) == len(waiting):
                self.make_way(*self.blocked_by(left[0]))
            waiting = left
