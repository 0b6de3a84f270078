# SPDX-License-Identifier: GPL-3.0-or-later
"""Give a new user its password, many users in little time.

To make the Kerberos keys of one password takes Samba some 20 ms, by design.
In bulk the keys of the first user who has a password are given to all who
have the same: the salt is stored beside them and the KDC tells it to clients,
so that each of them can log in as if they were its own.
"""

import time

import ldb
from samba import dsdb

KEYS = ("unicodePwd", "supplementalCredentials")
BYPASS = [f"local_oid:{dsdb.DSDB_CONTROL_BYPASS_PASSWORD_HASH_OID}:0"]
SECONDS_1601_TO_1970 = 11644473600


class Passwords:
    def __init__(self, sam, bulk):
        self.sam = sam
        self.bulk = bulk
        self.first = {}     # password: DN of the first who has it
        self.keys = {}      # password: {attribute: value}

    def put(self, message, password):
        """Put a password into an entry; returns the controls that it needs."""
        if self.bulk and password in self.first:
            for name, value in self.keys_of(password).items():
                message[name] = value
            message["pwdLastSet"] = str(int(
                (time.time() + SECONDS_1601_TO_1970) * 10**7))
            return BYPASS
        self.first[password] = message.dn
        message["clearTextPassword"] = password.encode("utf-16-le")
        return []

    def keys_of(self, password):
        if password not in self.keys:
            found = self.sam.search(self.first[password], ldb.SCOPE_BASE,
                                    attrs=list(KEYS))[0]
            self.keys[password] = {name: found[name][0] for name in KEYS}
        return self.keys[password]
