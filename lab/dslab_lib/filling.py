# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside the domain controller: make the directory what the tenant asks for.

Works on the database itself, as the real service does from behind: nothing
that a client may send over LDAP can write a SID history.  Changes are the
difference between what is there and what should be; passwords, which cannot
be read back, are compared with a note of the last ones set.
"""

import json
import os
from datetime import datetime

import ldb
from samba.dcerpc import security
from samba.ndr import ndr_pack, ndr_unpack

from .mapping import (GROUP_ATTRIBUTES, LOCAL_ATTRIBUTES, SYNCED_UNIT,
                      UF_ACCOUNTDISABLE, UF_DONT_EXPIRE_PASSWD,
                      USER_ATTRIBUTES, desired_objects)

NOTE = "/var/lib/samba/private/dslab-passwords.json"
RELAX = ["relax:0"]
# Samba's own control that lets a local caller set pwdLastSet to a past time.
BYPASS_LAST_SET = ["local_oid:1.3.6.1.4.1.7165.4.3.20:0", "relax:0"]
KEY_ATTRIBUTES = ("msDS-aadObjectId", "msDS-AzureADObjectId")
# Ours to change; whatever else an object has is the domain's.
OWN_ATTRIBUTES = sorted(
    set(USER_ATTRIBUTES.values()) | set(GROUP_ATTRIBUTES.values())
    | set(LOCAL_ATTRIBUTES.values()) | {"sAMAccountName", "groupType"})
CONTROL_MASK = UF_ACCOUNTDISABLE | UF_DONT_EXPIRE_PASSWD


def file_time(text):
    """An ISO time as Active Directory counts: 100 ns since 1601."""
    return int((datetime.fromisoformat(text).timestamp() + 11644473600)
               * 10**7)




class Filler:
    def __init__(self, sam, tenant):
        self.sam = sam
        self.base = sam.domain_dn()
        self.units = [SYNCED_UNIT] + [u["name"] for u in tenant["customOUs"]]
        self.done = []
        self.note = {}
        if os.path.exists(NOTE):
            with open(NOTE, encoding="utf-8") as stream:
                self.note = json.load(stream)
        self.make_units()
        self.read_directory()
        self.objects = desired_objects(tenant, self.taken)
        self.by_key = {o["key"]: o for o in self.objects}

    def unit_dn(self, unit):
        dn = ldb.Dn(self.sam, f"OU=x,{self.base}")
        dn.set_component(0, "OU", unit)
        return dn

    def dn_of(self, item):
        dn = ldb.Dn(self.sam, f"CN=x,{self.unit_dn(item['unit'])}")
        dn.set_component(0, "CN", item["cn"])
        return dn

    def make_units(self):
        present = {str(m["ou"][0]).casefold() for m in self.sam.search(
            self.base, ldb.SCOPE_ONELEVEL,
            "(objectClass=organizationalUnit)", attrs=["ou"])}
        for unit in self.units:
            if unit.casefold() not in present:
                self.sam.add({"dn": self.unit_dn(unit),
                              "objectClass": "organizationalUnit"})
                self.done.append(f"added the organizational unit {unit}")

    def read_directory(self):
        """What is there: ours by key; every other name is `taken`."""
        self.present = {}
        self.taken = []
        parents = {str(self.unit_dn(u)).casefold(): u for u in self.units}
        for message in self.sam.search(
                self.base, ldb.SCOPE_SUBTREE, "(sAMAccountName=*)",
                attrs=["*"]):
            sam = str(message["sAMAccountName"][0])
            unit = parents.get(str(message.dn.parent()).casefold())
            key = f"{unit}/{sam}".lower()
            for name in KEY_ATTRIBUTES:
                if name in message:
                    key = str(message[name][0])
            if unit is None:
                self.taken.append(sam)
            else:
                self.present[key] = message

    def modify(self, dn, values, controls=None):
        message = ldb.Message(dn)
        for name, value in values.items():
            message[name] = ldb.MessageElement(
                value, ldb.FLAG_MOD_REPLACE, name)
        self.sam.modify(message, controls=controls or [])

    def delete_vanished(self):
        for key, message in list(self.present.items()):
            if key not in self.by_key:
                self.sam.delete(message.dn)
                self.note.pop(key, None)
                del self.present[key]
                self.done.append(
                    f"deleted {message['sAMAccountName'][0]}")

    def add(self, item):
        message = ldb.Message(self.dn_of(item))
        message["objectClass"] = item["kind"]
        for name, values in item["attributes"].items():
            message[name] = ldb.MessageElement(
                values, ldb.FLAG_MOD_ADD, name)
        if item["kind"] == "user":
            message["userAccountControl"] = str(item["control"])
            message["clearTextPassword"] = \
                item["password"].encode("utf-16-le")
        if item["sid_history"]:
            message["sIDHistory"] = ndr_pack(
                security.dom_sid(item["sid_history"]))
        self.sam.add(message, controls=RELAX)
        self.done.append(f"added the {item['kind']} {self.title(item)}")
        if item["kind"] == "user":
            self.set_password_state(item)

    def title(self, item):
        attributes = item["attributes"]
        sam = attributes["sAMAccountName"][0]
        upn = attributes.get("userPrincipalName")
        return f"{upn[0]} ({sam})" if upn else sam

    def set_password_state(self, item):
        dn = self.dn_of(item)
        if item["must_change"]:
            self.modify(dn, {"pwdLastSet": "0"})
        elif item["password_changed"]:
            self.modify(dn, {"pwdLastSet":
                             str(file_time(item["password_changed"]))},
                        BYPASS_LAST_SET)
        self.note[item["key"]] = self.password_state(item)

    def password_state(self, item):
        return [item["password"], item["must_change"],
                item["password_changed"]]

    def update(self, item):
        message = self.present[item["key"]]
        dn = self.dn_of(item)
        if str(message.dn).casefold() != str(dn).casefold():
            self.sam.rename(message.dn, dn)
            self.done.append(f"renamed {message.dn} to {dn}")
        changes = {}
        for name in OWN_ATTRIBUTES:
            now = [str(v) for v in message.get(name, [])]
            new = item["attributes"].get(name, [])
            if sorted(now) != sorted(new):
                changes[name] = new
        now = [str(ndr_unpack(security.dom_sid, v))
               for v in message.get("sIDHistory", [])]
        new = [item["sid_history"]] if item["sid_history"] else []
        if now != new:
            changes["sIDHistory"] = [ndr_pack(security.dom_sid(s))
                                     for s in new]
        if item["kind"] == "user":
            control = int(str(message["userAccountControl"][0]))
            if control & CONTROL_MASK != item["control"] & CONTROL_MASK:
                changes["userAccountControl"] = str(
                    control & ~CONTROL_MASK | item["control"])
        if changes:
            self.modify(dn, changes, RELAX)
            self.done.append(f"changed {self.title(item)}: "
                             + ", ".join(sorted(changes)))
        if item["kind"] == "user" and \
                self.note.get(item["key"]) != self.password_state(item):
            self.modify(dn, {"clearTextPassword":
                             item["password"].encode("utf-16-le")})
            self.set_password_state(item)
            self.done.append(f"set the password of {self.title(item)}")

    def set_links(self, item):
        """Membership, manager and expiry: once everybody is there."""
        dn = self.dn_of(item)
        message = self.sam.search(
            dn, ldb.SCOPE_BASE,
            attrs=["member", "manager", "accountExpires"])[0]
        if item["kind"] == "group":
            self.set_members(item, dn, message)
            return
        manager = self.by_key.get(item["manager"])
        wanted = [str(self.dn_of(manager))] if manager else []
        if [str(v) for v in message.get("manager", [])] != wanted:
            self.modify(dn, {"manager": wanted})
        if item["account_expires"]:
            self.modify(dn, {"accountExpires":
                             str(file_time(item["account_expires"]))})

    def set_members(self, item, dn, message):
        # Whoever is withheld is a member in the tenant only.
        wanted = {str(self.dn_of(self.by_key[key]))
                  for key in item["members"] if key in self.by_key}
        present = {str(ldb.Dn(self.sam, str(v)))
                   for v in message.get("member", [])}
        change = ldb.Message(dn)
        for number, (flag, values, word) in enumerate((
                (ldb.FLAG_MOD_ADD, wanted - present, "more"),
                (ldb.FLAG_MOD_DELETE, present - wanted, "fewer"))):
            if values:
                change[str(number)] = ldb.MessageElement(
                    sorted(values), flag, "member")
                self.done.append(f"{self.title(item)}: {len(values)} "
                                 f"{word} members")
        if len(change):
            self.sam.modify(change)

    def run(self):
        self.sam.transaction_start()
        try:
            self.delete_vanished()
            for item in self.objects:
                if item["key"] in self.present:
                    self.update(item)
                else:
                    self.add(item)
            for item in self.objects:
                self.set_links(item)
        except BaseException:
            self.sam.transaction_cancel()
            raise
        self.sam.transaction_commit()
        with open(NOTE, "w", encoding="utf-8",
                  opener=lambda p, f: os.open(p, f, 0o600)) as stream:
            json.dump(self.note, stream)
        return self.done


def apply(sam, tenant):
    """Make the directory what the tenant says; one line per change made."""
    return Filler(sam, tenant).run()
