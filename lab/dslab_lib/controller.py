# SPDX-License-Identifier: GPL-3.0-or-later
"""The domain controller's box: Samba as an Active Directory."""

import hashlib
import json
import os
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

from .box import LAB_DIR, LAB_DIR_INSIDE, Box
from .errors import LabError

# How a line of domain.py begins that shows progress.
PROGRESS = "\tprogress"
CACHE_DIR = Path(os.environ.get("DSLAB_CACHE", "/var/cache/dslab"))
# What an image depends on: the empty domain, and what is filled into it.
DOMAIN_SOURCES = ("dslab_lib/domain.py", "files/dc/etc/samba/smb.conf")
FILL_SOURCES = [f"dslab_lib/{name}.py" for name in (
    "size", "mapping", "filling", "passwords", "renaming", "rights")]
IMAGE_FOLDERS = ("var/lib/samba", "etc/samba")
# A domain that lives for an hour on one machine has no secrets.
ADMIN_PASSWORD = "Lab-Admin-1"
PYTHON = ("env", f"PYTHONPATH={LAB_DIR_INSIDE}", "PYTHONDONTWRITEBYTECODE=1",
          "/usr/bin/python3")
AUDIT_LOG = "/var/log/samba/audit.log"
# Where every machine is until somebody makes another one.
FIRST_SITE = "Default-First-Site-Name"
JOIN_AUDIT_LOG = "/var/log/samba/audit-join.log"


# Whether LDAP, Kerberos, kpasswd and DNS all answer: they take connections
# before they do.
PROBE = r"""
import socket, struct, sys
address, domain = sys.argv[1:]
name = b"".join(bytes([len(p)]) + p.encode() for p in domain.split("."))
question = struct.pack(">6H", 1, 0, 1, 0, 0, 0) + name + b"\0\0\6\0\1"
bind = bytes.fromhex("300c020101600702010304008000")    # nobody's
nonsense = b"\0\0\0\4....", True    # a KDC hangs up on it
for port, asked, *may_reset in (
        (389, bind), (53, struct.pack(">H", len(question)) + question),
        (88, *nonsense), (464, *nonsense), (636, b"")):
    with socket.create_connection((address, port), 1) as connection:
        connection.settimeout(5)
        connection.sendall(asked)
        try:
            assert not asked or connection.recv(1) or may_reset
        except ConnectionResetError:
            assert may_reset
"""


def faketime(offset):
    """What to put before a command so that its clock is wrong."""
    found = list(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        raise LabError("a wrong clock needs the package libfaketime "
                       "(packaging/install-deps lab)")
    return ["env", f"LD_PRELOAD={found[0]}", f"FAKETIME={offset:+d}s",
            "FAKETIME_DONT_FAKE_MONOTONIC=1",
            # Else the database's modules bind to the C library's own time.
            "LDB_MODULES_DISABLE_DEEPBIND=1"]


class Controller(Box):
    def __init__(self, state_dir, names):
        super().__init__(state_dir, names["DC_NAME"])
        self.names = names
        self.address = names["DC_ADDRESS"]
        self.fqdn = f"{self.name}.{names['DOMAIN']}"

    def prepare(self, nameserver):
        """Our configuration, and nothing of a domain."""
        self.install_files(LAB_DIR / "files/dc", {
            **self.names, "NAMESERVER": nameserver})
        self.run(["sh", "-c", "rm -rf /var/lib/samba /var/log/samba && "
                  "mkdir -p /var/lib/samba/private /var/log/samba "
                  "/var/cache/samba /run/samba && "
                  "chmod 700 /var/lib/samba/private"])

    def set_up(self, say, authority, plan):
        """Bring the domain up, from the cached image where there is one.

        A generated tenant is filled in here: its image is kept as well.
        """
        self.prepare(self.address)
        filled = plan.size and self.image_file(plan.size_name(),
                                               FILL_SOURCES)
        if filled and filled.exists():
            say(f"taking the filled domain from {filled}")
            self.unpack_image(filled)
        else:
            self.set_up_empty(say)
            if filled:
                say("making up the tenant")
                tenant = plan.generated()
                say("filling the domain (kept for the next time in "
                    f"{filled})")
                self.apply(tenant, say.progress, verb="fill", timeout=1800)
                self.save_image(filled)
        authority.equip(self)
        self.start_samba()

    def join_to(self, first, authority):
        """Become another domain controller of the first one's domain."""
        self.prepare(first.address)
        self.run(["samba-tool", "domain", "join", self.names["DOMAIN"], "DC",
                  f"--realm={self.names['REALM']}",
                  f"--server={first.fqdn}",
                  "--dns-backend=SAMBA_INTERNAL",
                  f"-UAdministrator%{ADMIN_PASSWORD}",
                  "--option=interfaces=lo eth0",
                  "--option=bind interfaces only=yes"], timeout=600)
        self.install_files(LAB_DIR / "files/dc", {
            **self.names, "NAMESERVER": first.address})
        self.run(["install", "-d", "-m", "0750", "/var/lib/samba/ntp_signd"])
        authority.equip(self)
        self.start_samba()
        self.run(["samba_dnsupdate", "--use-samba-tool",
                  f"--rpc-server-ip={first.address}"])
        self.run(["samba_spnupdate"])
        self.install_files(LAB_DIR / "files/dc", {
            **self.names, "NAMESERVER": self.address})
        # By which name to call this one.
        self.tell(first, "(servicePrincipalName=ldap/"
                  f"{self.fqdn}/{self.names['DOMAIN']})")

    def tell(self, other, expression):
        """Replicate to another one until it finds such an entry, too."""
        base = ",".join(f"DC={p}" for p in self.names["DOMAIN"].split("."))
        deadline = time.monotonic() + 90
        while "\ndn: " not in "\n" + other.run(
                ["ldbsearch", "-H", "/var/lib/samba/private/sam.ldb",
                 expression, "dn"]).stdout:
            if time.monotonic() > deadline:
                raise LabError(f"{other.name} does not hear from "
                               f"{self.name}: {expression}")
            self.run(["samba-tool", "drs", "replicate", other.fqdn,
                      self.fqdn, base, f"-UAdministrator%{ADMIN_PASSWORD}"],
                     check=False)
            time.sleep(0.2)

    def set_up_empty(self, say):
        image = self.image_file(f"domain-{self.names['BACKEND']}", [])
        if image.exists():
            self.unpack_image(image)
            return
        say("provisioning the domain (kept for the next time in "
            f"{CACHE_DIR})")
        self.provision()
        self.start_samba()
        self.stop_samba()
        self.save_image(image)

    def unpack_image(self, image):
        with open(image, "rb") as stream:
            self.unpack(stream)

    def image_file(self, name, sources):
        """The cached domain that these sources and this Samba would make."""
        digest = hashlib.sha256(json.dumps(self.names).encode())
        for source in (*sources, *DOMAIN_SOURCES):
            digest.update((LAB_DIR / source).read_bytes())
        version = subprocess.run(["samba", "--version"], capture_output=True)
        digest.update(version.stdout)
        return CACHE_DIR / f"{name}-{digest.hexdigest()[:16]}.tar"

    def provision(self):
        self.run([*PYTHON, "-m", "dslab_lib.domain", "provision"],
                 input=json.dumps({**self.names,
                                   "ADMIN_PASSWORD": ADMIN_PASSWORD}),
                 timeout=180)
        self.run(["install", "-d", "-m", "0750", "/var/lib/samba/ntp_signd"])
        # dnsupdate is off, so nobody else gives the DC its ldap/ names.
        self.run(["samba_spnupdate"])

    def save_image(self, image):
        CACHE_DIR.mkdir(parents=True, exist_ok=True)
        temporary = image.with_suffix(f".{self.state_dir.name}.new")
        with open(temporary, "wb") as stream:
            subprocess.run(self.command(["tar", "-C", "/", "-c", "--sparse",
                                         *IMAGE_FOLDERS]),
                           env=self.environment(), stdout=stream,
                           check=True, stderr=subprocess.DEVNULL)
        os.replace(temporary, image)
        # What older sources made is of no use any more.
        for old in CACHE_DIR.glob(image.name.rpartition("-")[0] + "-*.tar"):
            if old != image:
                old.unlink(missing_ok=True)

    def start_samba(self, offset=0):
        """Start it, with a clock that is so many seconds off."""
        if self.daemon_pid("samba") is not None:
            return
        clock = faketime(offset) if offset else []
        # The proof that nobody wrote: every change, and who made it.
        self.spawn([*clock, "samba", "--foreground", "--model=prefork",
                    f"--option=log level = 1 dsdb_json_audit:5@{AUDIT_LOG}"],
                   "/var/log/samba/log.start", "samba")
        deadline = time.monotonic() + 180
        while self.run(["/usr/bin/python3", "-c", PROBE, self.address,
                        self.names["DOMAIN"]], check=False).returncode != 0:
            if self.daemon_pid("samba") is None or \
                    time.monotonic() > deadline:
                raise LabError("the domain controller does not start:\n"
                               + self.run(["sh", "-c", "tail -n 20 "
                                           "/var/log/samba/log.*"]).stdout)
            time.sleep(0.1)

    def stop_samba(self):
        """End it, and wait for its workers: each leads its own group."""
        self.signal_samba("CONT")       # a stopped one does not hear
        self.stop_daemon("samba")
        self.run(["sh", "-c", "for i in $(seq 200); do "
                  "pids=$(pgrep -f '^samba(:| )') || exit 0; "
                  "[ $i -lt 100 ] || kill -KILL $pids; sleep 0.05; done"])

    def signal_samba(self, name):
        """Send a signal to Samba's processes; false if there are none."""
        return self.run(["sh", "-c", "pids=$(pgrep -f '^samba(:| )') && "
                         f"kill -{name} $pids"], check=False).returncode == 0

    def apply(self, tenant, progress=lambda done, total: None,
              verb="apply", timeout=600):
        """Carry a validated tenant over; returns one line per change."""
        command = ["timeout", "-k", "2", str(timeout), *PYTHON, "-m",
                   "dslab_lib.domain", verb]
        lines = []
        with tempfile.TemporaryFile("w+") as data, \
                tempfile.TemporaryFile("w+") as errors:
            json.dump(tenant, data)
            data.seek(0)
            with subprocess.Popen(
                    self.command(command), env=self.environment(), text=True,
                    errors="replace", stdin=data, stdout=subprocess.PIPE,
                    stderr=errors) as process:
                for line in process.stdout:
                    if line.startswith(PROGRESS):
                        progress(*map(int, line.split()[1:]))
                    elif line.strip():
                        lines.append(line.rstrip("\n"))
            if process.returncode != 0:
                errors.seek(0)
                raise LabError("the domain does not take this tenant: "
                               + errors.read().strip())
        return lines

    def expire_key(self, host):
        """Give a computer another password, so that its keytab is stale."""
        self.run(["samba-tool", "user", "setpassword",
                  f"{host.name.upper()}$", f"--newpassword=X-{uuid.uuid4()}"])

    def advertise(self, rogue, verb):
        """Put the rogue's SRV records into DNS, or take them away."""
        domain = self.names["DOMAIN"]
        for zone, name in ((domain, "_ldap._tcp"),
                           (f"_msdcs.{domain}", "_ldap._tcp.dc"),
                           (f"_msdcs.{domain}",
                            f"_ldap._tcp.{FIRST_SITE}._sites.dc")):
            self.run(["samba-tool", "dns", verb, self.fqdn, zone, name,
                      "SRV", f"{rogue.name}.{domain} 389 0 65535",
                      f"-UAdministrator%{ADMIN_PASSWORD}"])
        self.run(["samba-tool", "dns", verb, self.fqdn, domain, rogue.name,
                  "A", rogue.address,
                  f"-UAdministrator%{ADMIN_PASSWORD}"])

    def close_join_audit(self):
        """Keep the join's writes apart from everything that comes later."""
        self.run(["sh", "-c", f"cp {AUDIT_LOG} {JOIN_AUDIT_LOG}; "
                  f"truncate -s 0 {AUDIT_LOG}"])
