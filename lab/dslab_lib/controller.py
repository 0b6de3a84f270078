# SPDX-License-Identifier: GPL-3.0-or-later
"""The domain controller's box: Samba as an Active Directory."""

import hashlib
import json
import os
import subprocess
import time
from pathlib import Path

from .box import LAB_DIR, LAB_DIR_INSIDE, Box
from .errors import LabError

CACHE_DIR = Path("/var/cache/dslab")
IMAGE_FOLDERS = ("var/lib/samba", "etc/samba")
# A domain that lives for an hour on one machine has no secrets.
ADMIN_PASSWORD = "Lab-Admin-1"
PYTHON = ("env", f"PYTHONPATH={LAB_DIR_INSIDE}", "PYTHONDONTWRITEBYTECODE=1",
          "/usr/bin/python3")
AUDIT_LOG = "/var/log/samba/audit.log"
JOIN_AUDIT_LOG = "/var/log/samba/audit-join.log"


class Controller(Box):
    def __init__(self, state_dir, names):
        super().__init__(state_dir, names["DC_NAME"])
        self.names = names

    def set_up(self, say):
        """Bring the domain up, from the cached image where there is one."""
        self.install_files(LAB_DIR / "files/dc", self.names)
        self.run(["sh", "-c", "rm -rf /var/lib/samba /var/log/samba && "
                  "mkdir -p /var/lib/samba/private /var/log/samba "
                  "/var/cache/samba /run/samba && "
                  "chmod 700 /var/lib/samba/private"])
        image = self.image_file()
        if image.exists():
            with open(image, "rb") as stream:
                self.unpack(stream)
        else:
            say("provisioning the domain (kept for the next time in "
                f"{CACHE_DIR})")
            self.provision()
            self.start_samba()
            self.stop_samba()
            self.save_image(image)
        self.start_samba()

    def image_file(self):
        """The cached domain that these sources and this Samba would make."""
        digest = hashlib.sha256(json.dumps(self.names).encode())
        for source in (LAB_DIR / "dslab_lib/domain.py", Path(__file__),
                       LAB_DIR / "files/dc/etc/samba/smb.conf"):
            digest.update(source.read_bytes())
        version = subprocess.run(["samba", "--version"], capture_output=True)
        digest.update(version.stdout)
        return CACHE_DIR / f"domain-{digest.hexdigest()[:16]}.tar"

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
        temporary = image.with_suffix(f".{os.getpid()}.new")
        with open(temporary, "wb") as stream:
            subprocess.run(self.command(["tar", "-C", "/", "-c", "--sparse",
                                         *IMAGE_FOLDERS]),
                           env=self.environment(), stdout=stream,
                           check=True, stderr=subprocess.DEVNULL)
        os.replace(temporary, image)

    def start_samba(self):
        if self.daemon_pid("samba") is not None:
            return
        # The proof that nobody wrote: every change, and who made it.
        self.spawn(["samba", "--foreground", "--model=prefork",
                    f"--option=log level = 1 dsdb_json_audit:5@{AUDIT_LOG}"],
                   "/var/log/samba/log.start", "samba")
        # It answers when LDAP, Kerberos, kpasswd and DNS all do.
        probe = ("import socket\nfor p in (389, 636, 88, 464, 53):\n"
                 "  socket.create_connection"
                 f"(('{self.names['DC_ADDRESS']}', p), 1).close()\n")
        deadline = time.monotonic() + 60
        while self.run(["/usr/bin/python3", "-c", probe],
                       check=False).returncode != 0:
            if self.daemon_pid("samba") is None or \
                    time.monotonic() > deadline:
                raise LabError("the domain controller does not start:\n"
                               + self.run(["sh", "-c", "tail -n 20 "
                                           "/var/log/samba/log.*"]).stdout)
            time.sleep(0.1)

    def stop_samba(self):
        return self.stop_daemon("samba")

    def apply(self, tenant):
        """Carry a validated tenant over; returns one line per change."""
        result = self.run([*PYTHON, "-m", "dslab_lib.domain", "apply"],
                          input=json.dumps(tenant), timeout=300)
        return result.stdout.splitlines()

    def close_join_audit(self):
        """Keep the join's writes apart from everything that comes later."""
        self.run(["sh", "-c", f"cp {AUDIT_LOG} {JOIN_AUDIT_LOG}; "
                  f"truncate -s 0 {AUDIT_LOG}"])
