# SPDX-License-Identifier: GPL-3.0-or-later
"""What a system test needs of the lab, in a test's words."""

import base64
import json
import struct
import subprocess
import tempfile
import time
import uuid
from contextlib import contextmanager
from pathlib import Path

from dslab_lib.controller import ADMIN_PASSWORD
from dslab_lib.errors import LabError
from dslab_lib.lab import DEFAULT_TENANT, Lab

DSLAB = Path(__file__).resolve().parents[2] / "lab" / "dslab"
DOMAIN = "aaddscontoso.com"
NETBIOS = "AADDSCONTOSO"
DOMAIN_DN = "DC=aaddscontoso,DC=com"
ADMIN_CACHE = "FILE:/root/admin.ccache"
PASSWORD = "Correct-Horse-1"
SAM_DB = "/var/lib/samba/private/sam.ldb"
DAEMON_LOG = "/var/log/dssync.log"
SNAPSHOT = "/var/lib/dssync/public/base.1.snap"
CONFIG = "/etc/dssync/dssync.conf"


def dslab(*args, timeout=600):
    """The command itself, from outside, as a person runs it."""
    return subprocess.run([str(DSLAB), *args], capture_output=True, text=True,
                          timeout=timeout, stdin=subprocess.DEVNULL)


# Seconds, for whatever takes no time on a machine with nothing else to do.
PATIENCE = 120


def wait_until(what, condition, seconds=PATIENCE, pause=0.1):
    """Poll until condition() is true and return it; fail loudly if never."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, \
            f"did not happen in {seconds} s: {what}"
        time.sleep(pause)


def sid_text(data):
    count = data[1]
    parts = struct.unpack(f"<{count}I", data[8:8 + 4 * count])
    return "-".join(["S", str(data[0]),
                     str(int.from_bytes(data[2:8], "big")),
                     *map(str, parts)])


def ldif_value(name, text, encoded):
    if not encoded:
        return text
    data = base64.b64decode(text)
    if name in ("objectSid", "sIDHistory"):
        return sid_text(data)
    if name == "objectGUID":
        return str(uuid.UUID(bytes_le=data))
    return data.decode("utf-8", "replace")


def parse_ldif(text):
    """LDIF of ldapsearch without wrapped lines, as a list of entries."""
    entries = []
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        name, rest = line.split(":", 1)
        value = ldif_value(name, rest.lstrip(": "), rest.startswith(":"))
        if name == "dn":
            entries.append({"dn": value})
        else:
            entries[-1].setdefault(name, []).append(value)
    return entries


def ldap_escape(text):
    """A value for an LDAP filter (RFC 4515)."""
    return "".join(f"\\{ord(c):02x}" if c in "*()\\\0" else c for c in text)


class Laboratory:
    """One named lab."""

    def __init__(self, name):
        self.name = name
        self.lab = None
        self.admin_ticket = False

    def up(self, build=None, tenant=DEFAULT_TENANT, options=()):
        how = ["--build", str(build)] if build else ["--no-product"]
        result = dslab("up", "--quiet", "--name", self.name,
                       "--tenant", str(tenant), *how, *options)
        assert result.returncode == 0, result.stderr
        self.use()

    def use(self):
        """The lab of this name that is up."""
        self.lab = Lab(self.name)
        self.admin_ticket = False

    def down(self):
        result = dslab("down", "--name", self.name)
        assert result.returncode == 0, result.stderr

    # ---- commands on the machines -----------------------------------------

    def host(self, *argv, input=None, timeout=PATIENCE):
        """Run on the host; the result whatever its status."""
        return self.lab.host.run(list(argv), input=input, timeout=timeout,
                                 check=False)

    def dc(self, *argv, timeout=PATIENCE):
        return self.lab.dc.run(list(argv), timeout=timeout, check=False)

    def dc_output(self, *argv, timeout=PATIENCE):
        """Standard output on the DC of a command that has to succeed."""
        result = self.dc(*argv, timeout=timeout)
        assert result.returncode == 0, \
            f"{argv}: {result.returncode}: {result.stdout}{result.stderr}"
        return result.stdout

    def shell(self, text, timeout=PATIENCE):
        return self.host("bash", "-c", text, timeout=timeout)

    def output(self, *argv, timeout=PATIENCE):
        """Standard output on the host of a command that has to succeed."""
        result = self.host(*argv, timeout=timeout)
        assert result.returncode == 0, \
            f"{argv}: {result.returncode}: {result.stdout}{result.stderr}"
        return result.stdout

    def ssh(self, user, password, command="id -un", timeout=PATIENCE):
        """Log in through the host's sshd, from the host's own address."""
        return self.host("sshpass", "-p", password, "ssh", "-l", user,
                         "host1", command, timeout=timeout)

    def restart_sshd(self):
        """It reads its configuration anew, and that is done."""
        def starts():
            return self.output("cat", "/var/log/sshd.log").count(
                "Server listening on 0.0.0.0 ")
        before = starts()
        self.output("pkill", "-HUP", "-o", "-x", "sshd")
        wait_until("sshd listens anew", lambda: starts() > before)

    # ---- lookups ----------------------------------------------------------

    def passwd(self, key):
        """The passwd entry as a list of its fields, or None."""
        return self.entry("passwd", key)

    def group(self, key):
        return self.entry("group", key)

    def entry(self, database, key):
        result = self.host("getent", database, key)
        assert result.returncode in (0, 2), result.stderr
        if result.returncode == 2:
            return None
        return result.stdout.rstrip("\n").split(":")

    def group_names(self, user):
        """The names of all groups of a user, as id(1) finds them."""
        return set(self.output("id", "-Gnz", user).strip("\0").split("\0"))

    def ctl(self, kind, name):
        """`dssyncctl user|group NAME --json`, or None if there is none."""
        result = self.host("dssyncctl", kind, name, "--json")
        if result.returncode != 0:
            return None
        return json.loads(result.stdout)

    # ---- the product ------------------------------------------------------

    def sync(self, *options):
        """Have everything in the directory published on the host."""
        wait_until("the daemon takes commands",
                   lambda: self.status()["monitor"])
        result = self.host("dssyncctl", "sync", "--wait", *options)
        assert result.returncode == 0, \
            result.stdout + result.stderr + self.log()[-3000:]

    def status(self):
        """`dssyncctl status --json`; its exit status says "problems"."""
        result = self.host("dssyncctl", "status", "--json")
        return json.loads(result.stdout)

    def make_member(self, user, group, *others):
        """By hand, on the domain controller: a new user in a new group."""
        for words in (("user", "create", user, PASSWORD),
                      ("group", "add", group),
                      ("group", "addmembers", group,
                       ",".join((user, *others)))):
            self.dc_output("samba-tool", *words, "-H", SAM_DB)

    def auth(self):
        """What dssync-auth says of itself, as soon as it has spoken."""
        return wait_until("dssync-auth has spoken",
                          lambda: self.status()["auth"])

    def problems(self):
        return " | ".join(self.status()["problems"])

    def log(self):
        return self.lab.host.path(DAEMON_LOG).read_text(errors="replace")

    def daemon(self, action):
        result = dslab("daemon", action, "--name", self.name)
        assert result.returncode == 0, result.stderr
        if action != "stop":
            # A host that wakes waits, for others may with it; not a test.
            self.shell("for i in $(seq 50); do dssyncctl sync >/dev/null "
                       "2>&1 && break; sleep 0.1; done")

    @contextmanager
    def configured(self, text, instead_of=""):
        """The daemon anew with text added to its configuration, or in the
        place of other text in it; gives what it logged since."""
        path = self.lab.host.path(CONFIG)
        before = path.read_text()
        self.daemon("stop")
        path.write_text(before.replace(instead_of, text) if instead_of
                        else f"{before.rstrip()}\n{text}\n")
        offset = len(self.log())
        self.daemon("start")
        try:
            yield lambda: self.log()[offset:]
        finally:
            self.daemon("stop")
            path.write_text(before)
            self.daemon("start")
            self.sync()

    def samba(self, action):
        result = dslab("dc", action, "--name", self.name)
        assert result.returncode == 0, result.stderr

    def pids(self, program):
        """Pids inside the host of the processes of one program."""
        result = self.host("pgrep", "-f", f"^[^ ]*/{program}( |$)")
        return [int(pid) for pid in result.stdout.split()]

    def main_process(self, part):
        """The pid of "auth" or "sync", of those that have its name the one
        that synccached has started.  (Not the lowest: they begin again at
        300 after some thousand processes.)"""
        return wait_until(f"{part} runs", lambda: (self.status()[
            "monitor"] or {}).get(part, {}).get("pid"))

    # ---- the directory, never asked through dssync --------------------------

    def directory(self, expression, *attributes):
        """Objects as {attribute: [values]}, read in the DC's database."""
        code = ("import json, sys\n"
                "from dslab_lib.domain import open_sam\n"
                "from samba.ndr import ndr_unpack\n"
                "from samba.dcerpc import security\n"
                "sam = open_sam()\n"
                "def text(name, value):\n"
                "    if name in ('sIDHistory', 'objectSid'):\n"
                "        return str(ndr_unpack(security.dom_sid, value))\n"
                "    return value.decode('utf-8', 'replace')\n"
                "print(json.dumps([{**{name: [text(name, v) for v in m[name]]"
                " for name in m.keys() if name != 'dn'}, 'dn': str(m.dn)}"
                " for m in sam.search(sam.domain_dn(), 2, sys.argv[1],"
                " attrs=sys.argv[2:] or None)]))")
        result = self.dc("env", "PYTHONPATH=/run/dslab",
                         "PYTHONDONTWRITEBYTECODE=1", "/usr/bin/python3",
                         "-c", code, expression, *attributes)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    def ldapsearch(self, expression, *attributes, base=None, scope="sub",
                   deleted=False):
        """What ldapsearch(1) on the DC prints, parsed: [{name: [values]}].

        SIDs and GUIDs come as text, "dn" as one string.
        """
        if not self.admin_ticket:
            self.dc_output("sh", "-c", f"echo {ADMIN_PASSWORD} | kinit -c "
                           f"{ADMIN_CACHE} Administrator >/dev/null")
            self.admin_ticket = True
        controls = ["-E", "!1.2.840.113556.1.4.417"] if deleted else []
        text = self.dc_output(
            "env", f"KRB5CCNAME={ADMIN_CACHE}", "ldapsearch", "-H",
            f"ldap://dc1.{DOMAIN}", "-N", "-Q", "-Y", "GSSAPI", "-LLL",
            "-o", "ldif-wrap=no", *controls, "-s", scope,
            "-b", DOMAIN_DN if base is None else base, expression,
            *attributes)
        return parse_ldif(text)

    def unlock(self, upn):
        """Undo what wrong passwords did to an account."""
        self.set(self.ldap_user(upn, "sAMAccountName"), lockoutTime=0)

    def set(self, entry, **values):
        """Set an entry's attributes as the administrator; None clears."""
        lines = [f"dn: {entry['dn']}", "changetype: modify"]
        for name, value in values.items():
            lines += [f"replace: {name}"]
            lines += [] if value is None else [f"{name}: {value}"]
            lines += ["-"]
        result = self.lab.dc.run(
            ["env", f"KRB5CCNAME={ADMIN_CACHE}", "ldapmodify", "-H",
             f"ldap://dc1.{DOMAIN}", "-N", "-Q", "-Y", "GSSAPI"],
            input="\n".join(lines) + "\n", check=False)
        assert result.returncode == 0, result.stderr

    def ldap_user(self, upn, *attributes):
        """One entry by UPN, all attributes where none is named."""
        found = self.ldapsearch(f"(userPrincipalName={upn})", *attributes)
        assert len(found) == 1, (upn, found)
        return found[0]

    def ldap_group(self, sam, *attributes):
        found = self.ldapsearch(f"(sAMAccountName={ldap_escape(sam)})",
                                *attributes)
        assert len(found) == 1, (sam, found)
        return found[0]

    def usn(self):
        """How many changes the directory has seen."""
        return int(self.ldapsearch("(objectClass=*)", "highestCommittedUSN",
                                   base="", scope="base")[0]
                   ["highestCommittedUSN"][0])

    def changes_since(self, usn):
        """{RDN: names of the attributes written} after that USN.

        Taken from each object's replication metadata; a change of nothing
        but links gives an empty set.
        """
        code = ("import json, sys\n"
                "from dslab_lib.domain import open_sam\n"
                "from samba.ndr import ndr_unpack\n"
                "from samba.dcerpc import drsblobs\n"
                "sam, usn, found = open_sam(), int(sys.argv[1]), {}\n"
                "for m in sam.search(sam.domain_dn(), 2, "
                "f'(uSNChanged>={usn + 1})', controls=['show_deleted:1'],"
                " attrs=['replPropertyMetaData']):\n"
                "    blob = ndr_unpack(drsblobs.replPropertyMetaDataBlob,"
                " m['replPropertyMetaData'][0])\n"
                "    found[m.dn.get_rdn_value()] = "
                "[sam.get_lDAPDisplayName_by_attid(e.attid) "
                "for e in blob.ctr.array if e.local_usn > usn]\n"
                "print(json.dumps(found))")
        result = self.dc_output(
            "env", "PYTHONPATH=/run/dslab", "PYTHONDONTWRITEBYTECODE=1",
            "/usr/bin/python3", "-c", code, str(usn))
        return {name: set(names) for name, names
                in json.loads(result).items()}

    def object(self, expression, *attributes):
        found = self.directory(expression, *attributes)
        assert len(found) == 1, (expression, found)
        return found[0]

    def user_object(self, upn, *attributes):
        return self.object(f"(userPrincipalName={upn})", *attributes)

    def sam(self, upn):
        return self.user_object(upn, "sAMAccountName")["sAMAccountName"][0]

    # ---- the tenant ---------------------------------------------------------

    @staticmethod
    def default_tenant():
        return json.loads(DEFAULT_TENANT.read_text(encoding="utf-8"))

    def apply(self, tenant):
        """Carry a tenant (a dict) over; the lines that say what changed."""
        with tempfile.NamedTemporaryFile("w", suffix=".json",
                                         encoding="utf-8") as stream:
            json.dump(tenant, stream)
            stream.flush()
            result = dslab("apply", "--name", self.name, stream.name)
        assert result.returncode == 0, result.stderr
        return result.stdout.splitlines()


def user_of(tenant, upn):
    """The tenant's own record of a user, to be changed in place."""
    return next(u for u in tenant["users"] if u["userPrincipalName"] == upn)


def group_of(tenant, name):
    return next(g for g in tenant["groups"] if g["displayName"] == name)


def new_user(upn, **more):
    return {"userPrincipalName": upn, "mailNickname": upn.split("@")[0],
            "displayName": f"New {upn}",
            "passwordProfile": {"password": PASSWORD}, **more}


__all__ = ["ADMIN_PASSWORD", "DOMAIN", "DOMAIN_DN", "NETBIOS", "PASSWORD",
           "SNAPSHOT", "LabError", "Laboratory", "dslab", "group_of",
           "ldap_escape", "new_user", "user_of", "wait_until"]
