# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside the domain controller: make a Samba domain that is a managed one.

python3 -m dslab_lib.domain provision   the names on standard input
python3 -m dslab_lib.domain apply       a tenant on standard input
python3 -m dslab_lib.domain fill        the same, in bulk, Samba stopped

`provision` also adds what an Entra managed domain has and Samba's does not:
the attributes that tie an object to the tenant, the two organizational units,
the default password policy.
"""

import json
import logging
import sys

import ldb
from samba.auth import system_session
from samba.dsdb import DS_DOMAIN_FUNCTION_2008_R2
from samba.param import LoadParm
from samba.provision import provision
from samba.samdb import SamDB

from .errors import LabError

# How a line begins that is not one of the answer.
PROGRESS = "\tprogress"
SMB_CONF = "/etc/samba/smb.conf"
SAM = "/var/lib/samba/private/sam.ldb"

# The syntax and identifiers of these are not published; field reports show a
# Unicode string.  The OIDs are under the arc that Microsoft's own script for
# private schema extensions uses.
OID_ARC = "1.2.840.113556.1.8000.2554.54318.60217.17415.18841.43520.7121"
ATTRIBUTES = ("msDS-AzureADMailNickname", "msDS-AzureADObjectId",
              "msDS-aadObjectId")

# 100 ns units, negative: a length of time in Active Directory.
MINUTE = -60 * 10**7
DAY = 24 * 60 * MINUTE
PASSWORD_POLICY = {
    "lockoutThreshold": 5,
    "lockOutObservationWindow": 2 * MINUTE,
    "lockoutDuration": 30 * MINUTE,
    "maxPwdAge": 90 * DAY,
    "minPwdAge": 0,
    "minPwdLength": 7,
}


def open_sam(schema_update=False, batch=False):
    """The database itself; `batch` is for a bulk of writes, Samba stopped."""
    lp = LoadParm()
    lp.load(SMB_CONF)
    if schema_update:
        lp.set("dsdb:schema update allowed", "true")
    return SamDB(url=SAM, session_info=system_session(lp), lp=lp,
                 options=["batch_mode:1"] if batch else [])


def make_domain(names):
    lp = LoadParm()
    lp.load(SMB_CONF)
    # Not by samba-tool: that insists on file system ACLs for sysvol, which
    # no client of the lab reads.
    provision(logging.getLogger("provision"), system_session(lp),
              smbconf=SMB_CONF, lp=lp, realm=names["REALM"],
              domain=names["NETBIOS"], hostname=names["DC_NAME"],
              hostip=names["DC_ADDRESS"],
              adminpass=names["ADMIN_PASSWORD"],
              serverrole="active directory domain controller",
              dns_backend="SAMBA_INTERNAL",
              dom_for_fun_level=DS_DOMAIN_FUNCTION_2008_R2,
              skip_sysvolacl=True, backend_store=names["BACKEND"])


def extend_schema():
    sam = open_sam(schema_update=True)
    schema = str(sam.get_schema_basedn())
    for number, name in enumerate(ATTRIBUTES, start=1):
        sam.add({
            "dn": f"CN=ms-DS-{name[5:]},{schema}",
            "objectClass": ["top", "attributeSchema"],
            "attributeID": f"{OID_ARC}.{number}",
            "attributeSyntax": "2.5.5.12", "oMSyntax": "64",
            "lDAPDisplayName": name, "isSingleValued": "TRUE",
            "searchFlags": "1",
        })
    sam.set_schema_update_now()
    sam.modify_ldif(f"dn: CN=Security-Principal,{schema}\n"
                    "changetype: modify\nadd: mayContain\n"
                    + "".join(f"mayContain: {a}\n" for a in ATTRIBUTES))
    sam.set_schema_update_now()


def set_policy_and_units():
    sam = open_sam()
    base = sam.domain_dn()
    message = ldb.Message(ldb.Dn(sam, base))
    for name, value in PASSWORD_POLICY.items():
        message[name] = ldb.MessageElement(
            str(value), ldb.FLAG_MOD_REPLACE, name)
    sam.modify(message)
    for unit in ("AADDC Users", "AADDC Computers"):
        sam.add({"dn": f"OU={unit},{base}",
                 "objectClass": "organizationalUnit"})


def show_progress(done, total):
    """For whoever reads this program's standard output: see Controller."""
    print(f"{PROGRESS} {done} {total}", flush=True)


def main():
    if sys.argv[1:] == ["provision"]:
        make_domain(json.load(sys.stdin))
        extend_schema()
        set_policy_and_units()
    elif sys.argv[1:] in (["apply"], ["fill"]):
        from .filling import apply
        try:
            bulk = sys.argv[1] == "fill"
            lines = apply(open_sam(batch=bulk), json.load(sys.stdin),
                          show_progress, bulk)
        except LabError as error:
            sys.exit(str(error))
        print("\n".join(lines))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
