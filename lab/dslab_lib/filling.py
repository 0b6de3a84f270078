# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside the domain controller: make the directory what the tenant asks for.

Works on the database itself, as the real service does from behind: nothing
that a client may send over LDAP can write a SID history.  Changes are the
smallest difference between what is there and what should be; passwords, which
cannot be read back, are compared with a note of the last ones set.  Nothing
is ever carried from the directory into the tenant.
"""

import contextlib
import json
import os
from datetime import datetime

import ldb
from samba.dcerpc import security
from samba.ndr import ndr_pack, ndr_unpack

from .errors import LabError
from .mapping import (ADMINISTRATORS, GROUP_ATTRIBUTES, LOCAL_ATTRIBUTES,
                      SYNCED_UNIT, UF_ACCOUNTDISABLE, UF_DONT_EXPIRE_PASSWD,
                      USER_ATTRIBUTES, desired_objects)
from .passwords import Passwords
from .renaming import Renamer
from .rights import Rights

NOTE = "/var/lib/samba/private/dslab-note.json"
RELAX = ["relax:0"]
# Samba's own control that lets a local caller set pwdLastSet to a past time.
BYPASS_LAST_SET = ["local_oid:1.3.6.1.4.1.7165.4.3.20:0", "relax:0"]
KEY_ATTRIBUTES = ("msDS-aadObjectId", "msDS-AzureADObjectId")
# Ours to change; whatever else an object has is the domain's.
OWN_ATTRIBUTES = sorted(
    set(USER_ATTRIBUTES.values()) | set(GROUP_ATTRIBUTES.values())
    | set(LOCAL_ATTRIBUTES.values()) | {"sAMAccountName", "groupType"})
READ_ATTRIBUTES = [*OWN_ATTRIBUTES, "userAccountControl", "sIDHistory",
                   "manager", "member", "accountExpires", "pwdLastSet"]
CONTROL_MASK = UF_ACCOUNTDISABLE | UF_DONT_EXPIRE_PASSWD
NEVER = 2**63 - 1
# In one transaction the time grows with the square of what is in it.
OBJECTS_A_COMMIT = 1000
LINKS_A_COMMIT = 20000
LINKS_A_WRITE = 5000


def file_time(text):
    """An ISO time as Active Directory counts: 100 ns since 1601."""
    return int((datetime.fromisoformat(text).timestamp() + 11644473600)
               * 10**7)


def members_word(count):
    return "1 member" if count == 1 else f"{count} members"


class Filler:
    def __init__(self, sam, tenant, progress=None, bulk=False):
        self.sam = sam
        self.base = sam.domain_dn()
        self.progress = progress or (lambda done, total: None)
        self.done = []
        self.written = self.pending = self.total = 0
        self.read_note()
        self.units = [u["name"] for u in tenant["customOUs"]]
        self.read_directory()
        self.objects = desired_objects(tenant, self.taken)
        self.by_key = {o["key"]: o for o in self.objects}
        self.rights = Rights(sam)
        self.passwords = Passwords(sam, bulk)

    # ---- what is there ------------------------------------------------------

    def read_note(self):
        self.note = {"passwords": {}, "local": None, "units": []}
        if os.path.exists(NOTE):
            with open(NOTE, encoding="utf-8") as stream:
                self.note = json.load(stream)

    def write_note(self):
        self.note["units"] = self.units
        self.note["local"] = [o["key"] for o in self.objects
                              if o["unit"] != SYNCED_UNIT]
        with open(NOTE, "w", encoding="utf-8",
                  opener=lambda p, f: os.open(p, f, 0o600)) as stream:
            json.dump(self.note, stream)

    def unit_dn(self, unit):
        dn = ldb.Dn(self.sam, f"OU=x,{self.base}")
        dn.set_component(0, "OU", unit)
        return dn

    def dn_of(self, item):
        dn = ldb.Dn(self.sam, f"CN=x,{self.unit_dn(item['unit'])}")
        dn.set_component(0, "CN", item["cn"])
        return dn

    def read_directory(self):
        """What is there: ours by key; every other name is `taken`.

        What somebody made in a custom unit without us is not ours.
        """
        self.present, self.taken, self.key_of_dn = {}, [], {}
        parents = {str(self.unit_dn(u)).casefold(): u for u in
                   [SYNCED_UNIT, *self.units, *self.note["units"]]}
        local = self.note["local"]
        for message in self.sam.search(
                self.base, ldb.SCOPE_SUBTREE, "(sAMAccountName=*)",
                attrs=READ_ATTRIBUTES):
            sam = str(message["sAMAccountName"][0])
            unit = parents.get(str(message.dn.parent()).casefold())
            key = f"{unit}/{sam}".lower()
            for name in KEY_ATTRIBUTES:
                if name in message:
                    key = str(message[name][0])
            if unit == SYNCED_UNIT or unit and (local is None
                                                or key in local):
                self.present[key] = message
                self.key_of_dn[str(message.dn).casefold()] = key
            else:
                self.taken.append(sam)

    def keys_of(self, message, name):
        """{key or DN: DN} of the objects that a link attribute names."""
        result = {}
        for value in message.get(name, []):
            dn = str(value)
            key = self.key_of_dn.get(dn.casefold())
            result[key or dn] = dn
        return result

    # ---- writing ------------------------------------------------------------

    def wrote(self, objects=1, links=0):
        """Count, show, and commit where a batch is full."""
        self.written += objects + links
        self.pending += objects / OBJECTS_A_COMMIT + links / LINKS_A_COMMIT
        if self.pending >= 1:
            self.pending = 0
            self.sam.transaction_commit()
            self.sam.transaction_start()
            self.progress(self.written, self.total)

    def modify(self, dn, values, controls=None):
        message = ldb.Message(dn)
        for name, value in values.items():
            message[name] = ldb.MessageElement(
                value, ldb.FLAG_MOD_REPLACE, name)
        self.sam.modify(message, controls=controls or [])

    def make_units(self):
        present = {str(m["ou"][0]).casefold() for m in self.sam.search(
            self.base, ldb.SCOPE_ONELEVEL,
            "(objectClass=organizationalUnit)", attrs=["ou"])}
        for unit in self.units:
            if unit.casefold() not in present:
                self.sam.add({"dn": self.unit_dn(unit),
                              "objectClass": "organizationalUnit"})
                self.done.append(f"added the organizational unit {unit}")

    def delete_units(self):
        """Units that the tenant file names no more, where they are empty."""
        for unit in set(self.note["units"]) - set(self.units):
            dn = self.unit_dn(unit)
            if not self.sam.search(dn, ldb.SCOPE_ONELEVEL, attrs=["dn"]):
                self.sam.delete(dn)
                self.done.append(f"deleted the organizational unit {unit}")

    def delete_vanished(self):
        for key, message in list(self.present.items()):
            if key not in self.by_key:
                self.sam.delete(message.dn)
                self.note["passwords"].pop(key, None)
                del self.present[key]
                self.done.append(
                    f"deleted {message['sAMAccountName'][0]}")
                self.wrote()

    @contextlib.contextmanager
    def about(self, item):
        """Say which object it was that the database refused."""
        try:
            yield
        except ldb.LdbError as error:
            raise LabError(f"{self.title(item)}: {error.args[1]}") from None

    def add(self, item):
        message = ldb.Message(self.dn_of(item))
        message["objectClass"] = item["kind"]
        controls = []
        for name, values in item["attributes"].items():
            message[name] = ldb.MessageElement(
                values, ldb.FLAG_MOD_ADD, name)
        if item["kind"] == "user":
            message["userAccountControl"] = str(item["control"])
            controls = self.passwords.put(message, item["password"])
            if item["account_expires"]:
                message["accountExpires"] = \
                    str(file_time(item["account_expires"]))
            if item["unit"] == SYNCED_UNIT:
                message["nTSecurityDescriptor"] = self.rights.read_only_user
        if item["sid_history"]:
            message["sIDHistory"] = ndr_pack(
                security.dom_sid(item["sid_history"]))
        self.sam.add(message, controls=RELAX + controls)
        self.done.append(f"added the {item['kind']} {self.title(item)}")
        if item["kind"] == "user":
            self.set_password_state(item)
        self.wrote()

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
        self.note["passwords"][item["key"]] = self.password_state(item)

    def password_state(self, item):
        return [item["password"], item["must_change"],
                item["password_changed"]]

    # ---- changing -----------------------------------------------------------

    def changes_of(self, item):
        """{attribute: values} in which a present object differs."""
        message = self.present[item["key"]]
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
            expires = file_time(item["account_expires"]) \
                if item["account_expires"] else NEVER
            now = int(str(message.get("accountExpires", [b"0"])[0])) or NEVER
            if now != expires:
                changes["accountExpires"] = str(expires)
        return changes

    def update(self, item):
        """What differs, the links apart; the renamer says when it may."""
        message = self.present[item["key"]]
        dn = self.dn_of(item)
        if message.dn.get_rdn_value() != item["cn"]:
            self.sam.rename(message.dn, dn)
            self.done.append(f"renamed {message.dn} to {dn}")
        changes = self.changes_of(item)
        if changes:
            self.modify(dn, changes, RELAX)
            self.done.append(f"changed {self.title(item)}: "
                             + ", ".join(sorted(changes)))
        if item["kind"] == "user" and self.note["passwords"].get(
                item["key"]) != self.password_state(item):
            self.update_password(item, dn)
        self.wrote()

    def update_password(self, item, dn):
        known = self.note["passwords"].get(item["key"]) or [None] * 3
        if known[0] != item["password"] or not item["must_change"] and \
                not item["password_changed"]:
            self.modify(dn, {"clearTextPassword":
                             item["password"].encode("utf-16-le")})
        self.set_password_state(item)
        self.done.append(f"set the password of {self.title(item)}")

    # ---- links, once everybody is there -------------------------------------

    def set_links(self, item):
        if item["kind"] == "group":
            self.set_members(item)
            return
        now = self.keys_of(self.present.get(item["key"], {}), "manager")
        # Whose manager was deleted has none: the database saw to it.
        now = [key for key in now if key in self.by_key]
        manager = self.by_key.get(item["manager"])
        wanted = [manager["key"]] if manager else []
        if now != wanted:
            self.modify(self.dn_of(item), {"manager": [
                str(self.dn_of(manager))] if manager else []})
            self.done.append(f"changed {self.title(item)}: manager")
            self.wrote()

    def set_members(self, item):
        # Whoever is withheld is a member in the tenant only.
        wanted = {key for key in item["members"] if key in self.by_key}
        now = self.keys_of(self.present.get(item["key"], {}), "member")
        gone = [key for key in now if key not in wanted
                and (key in self.by_key or key not in self.was_present)]
        for flag, keys, word in (
                (ldb.FLAG_MOD_ADD, sorted(wanted - set(now)), "added"),
                (ldb.FLAG_MOD_DELETE, sorted(gone), "removed")):
            values = [str(self.dn_of(self.by_key[key]))
                      if key in self.by_key else key for key in keys]
            for start in range(0, len(values), LINKS_A_WRITE):
                part = values[start:start + LINKS_A_WRITE]
                change = ldb.Message(self.dn_of(item))
                change["member"] = ldb.MessageElement(part, flag, "member")
                self.sam.modify(change)
                self.wrote(0, len(part))
            if values and item["key"] in self.present:
                self.done.append(f"{self.title(item)}: "
                                 f"{members_word(len(values))} {word}")

    def add_missing(self):
        missing = [o for o in self.objects if o["key"] not in self.present]
        # First whom rights are given to: given late they would have to be
        # worked out again for everything below.
        for item in missing:
            if item["cn"] == ADMINISTRATORS:
                with self.about(item):
                    self.add(item)
        for item in self.objects:
            if item["kind"] == "group" and item["cn"] == ADMINISTRATORS:
                self.rights.grant(self.dn_of(item),
                                  [self.unit_dn(u) for u in self.units])
        for item in missing:
            if item["cn"] != ADMINISTRATORS:
                with self.about(item):
                    self.add(item)

    # ---- all of it ----------------------------------------------------------

    def run(self):
        self.was_present = set(self.present)
        self.total = len(self.objects) + sum(
            len(o["members"]) for o in self.objects if o["kind"] == "group")
        self.sam.transaction_start()
        try:
            self.delete_vanished()
            self.make_units()
            self.delete_units()
            Renamer(self).update_all(
                [o for o in self.objects if o["key"] in self.present])
            self.add_missing()
            for item in self.objects:
                with self.about(item):
                    self.set_links(item)
        except BaseException:
            self.sam.transaction_cancel()
            raise
        self.sam.transaction_commit()
        self.write_note()
        return self.done


def apply(sam, tenant, progress=None, bulk=False):
    """Make the directory what the tenant says; one line per change made."""
    return Filler(sam, tenant, progress, bulk).run()
