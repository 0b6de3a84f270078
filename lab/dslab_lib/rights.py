# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may change what: the managed domain is largely read-only.

A synchronized user may not change its own attributes or password there; the
members of AAD DC Administrators may make organizational units and manage what
is in the custom ones, join computers, and change nothing that came from the
tenant.
"""

import re

import ldb
from samba.dcerpc import security
from samba.ndr import ndr_pack, ndr_unpack
from samba.sd_utils import SDUtils

EVERYTHING = "RPWPCRCCDCLCLORCWOWDSDDTSW"
CHANGE_PASSWORD = "ab721a53-1e2f-11d0-9819-00aa0040529b"
UNIT_CLASS = "bf967aa5-0de6-11d0-a285-00aa003049e2"
COMPUTER_CLASS = "bf967a86-0de6-11d0-a285-00aa003049e2"


class Rights:
    def __init__(self, sam):
        self.sam = sam
        # A user's default descriptor, without what a user may do to itself.
        text = str(sam.search(
            f"CN=User,{sam.get_schema_basedn()}", ldb.SCOPE_BASE,
            attrs=["defaultSecurityDescriptor"])[0]
            ["defaultSecurityDescriptor"][0])
        text = re.sub(rf"\(OA;;CR;{CHANGE_PASSWORD};;(PS|WD)\)", "", text)
        text = re.sub(r"\(OA;;RPWP;([0-9A-Fa-f-]+);;PS\)",
                      r"(OA;;RP;\1;;PS)", text)
        self.read_only_user = ndr_pack(security.descriptor.from_sddl(
            text, security.dom_sid(sam.get_domain_sid())))

    def grant(self, administrators, units):
        """Give the tenant's administrators what they have in the domain."""
        found = self.sam.search(administrators, ldb.SCOPE_BASE,
                                attrs=["objectSid"])[0]
        sid = ndr_unpack(security.dom_sid, found["objectSid"][0])
        base = self.sam.domain_dn()
        self.allow(base, sid, f"(OA;;CC;{UNIT_CLASS};;{sid})")
        self.allow(f"OU=AADDC Computers,{base}", sid,
                   f"(OA;;CCDC;{COMPUTER_CLASS};;{sid})"
                   f"(OA;CIIO;{EVERYTHING};;{COMPUTER_CLASS};{sid})")
        for dn in units:
            self.allow(str(dn), sid, f"(A;CI;{EVERYTHING};;;{sid})")

    def allow(self, dn, sid, aces):
        """Add access control entries, unless that SID has some already."""
        utils = SDUtils(self.sam)
        if f";{sid})" not in utils.get_sd_as_sddl(dn):
            utils.dacl_add_ace(dn, aces)
