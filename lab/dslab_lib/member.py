# SPDX-License-Identifier: GPL-3.0-or-later
"""The joined host's box: a Linux machine with a real sshd and the product."""

import os
import shutil
import subprocess
from pathlib import Path

from .box import LAB_DIR, LAB_DIR_INSIDE, Box
from .controller import ADMIN_PASSWORD
from .errors import LabError

LOCAL_USER = "localuser"
LOCAL_PASSWORD = "Local-Pass-1"
DAEMON = "synccached-lab"
ROGUE_LOG = "/var/log/rogue.log"
DAEMON_LOG = "/var/log/dssync.log"
CONF = "/etc/dssync/dssync.conf"
PROFILES = LAB_DIR.parent / "packaging/pam"


class Member(Box):
    def __init__(self, state_dir, names):
        super().__init__(state_dir, names["HOST_NAME"])
        self.names = names
        self.address = names["HOST_ADDRESS"]

    def set_up(self):
        self.run(["rm", "-rf", "/etc/krb5.keytab", "/etc/dssync",
                  "/var/lib/dssync"])
        self.install_files(LAB_DIR / "files/host", self.names)
        self.run(["useradd", "--create-home", "--shell", "/bin/bash",
                  LOCAL_USER])
        self.run(["chpasswd"], input=f"{LOCAL_USER}:{LOCAL_PASSWORD}\n")

    def join(self, *options):
        """Join the domain as an administrator of a real host would."""
        domain = self.names["DOMAIN"]
        base = ",".join(f"DC={part}" for part in domain.split("."))
        self.run(["adcli", "join", "--stdin-password", f"--domain={domain}",
                  "--login-user=Administrator",
                  f"--host-fqdn={self.name}.{domain}",
                  f"--computer-name={self.name.upper()}",
                  f"--domain-ou=OU=AADDC Computers,{base}", *options],
                 input=ADMIN_PASSWORD)

    def renew_key(self):
        """A new machine password and keys, as a host makes from time to
        time; joined anew where the old ones are not taken any more."""
        if self.run(["adcli", "update", "--computer-password-lifetime=0",
                     f"--domain={self.names['DOMAIN']}"],
                    check=False).returncode != 0:
            self.run(["rm", "-f", "/etc/krb5.keytab"])
            self.join()

    def join_as_rogue(self):
        """With a service principal like a domain controller's."""
        self.join("--add-service-principal="
                  f"ldap/{self.name}.{self.names['DOMAIN']}")

    def start_rogue(self, kdc, *bound):
        """As a DC that requires channel binding, with four files: a keytab,
        a key, the certificate that it shows, and the one to be bound to."""
        self.spawn(["/usr/bin/python3", "-B",
                    f"{LAB_DIR_INSIDE}/dslab_lib/rogue.py",
                    self.names["DOMAIN"], ROGUE_LOG, kdc.address, *bound],
                   "/var/log/rogue.err", "rogue")
        # Its last port; whoever says nothing there is not in its log.
        self.run(["bash", "-c", "until (: </dev/tcp/127.0.0.1/389) "
                  "2>/dev/null; do sleep 0.05; done"])

    def start_sshd(self):
        self.run(["sh", "-c", "mkdir -p /run/sshd && rm -f "
                  "/etc/ssh/ssh_host_* && ssh-keygen -q -t ed25519 -N '' "
                  "-f /etc/ssh/ssh_host_ed25519_key"])
        self.run(["/usr/sbin/sshd", "-E", "/var/log/sshd.log"])

    def install_product(self, build):
        """`make install` of a build tree; users, configuration, PAM, NSS."""
        stage = self.state_dir / "install"
        # Two labs may come up at once, from one build tree.
        result = subprocess.run(
            ["flock", f"{build}/Makefile",
             "make", "-C", str(build), "install", f"DESTDIR={stage}"],
            capture_output=True, text=True, errors="replace")
        if result.returncode != 0:
            raise LabError("make install failed:\n" + result.stdout[-2000:]
                           + result.stderr[-2000:])
        with subprocess.Popen(["tar", "-C", str(stage), "-c", "."],
                              stdout=subprocess.PIPE) as tar:
            self.unpack(tar.stdout)
        shutil.rmtree(stage)
        for user in ("dssync", "dssync-auth"):
            if self.run(["id", user], check=False).returncode == 0:
                continue
            self.run(["useradd", "--system", "--user-group",
                      "--home-dir", "/nonexistent", "--no-create-home",
                      "--shell", "/usr/sbin/nologin", user])
        self.run(["mkdir", "-p", os.path.dirname(CONF)])
        self.write(CONF, f"[domain]\nname = {self.names['DOMAIN']}\n")
        self.install_files(LAB_DIR / "files/product", self.names)
        self.install_profile()

    def install_profile(self):
        """The PAM profile, as README.md tells an administrator to.

        One word of the lab's own is added: `nodelay`, after a wrong
        password, because the tests send many.
        """
        names = ["dssync", "dssync-password", "dssync-mkhomedir"]
        for name in names:
            self.write(f"/usr/share/pam-configs/{name}",
                       (PROFILES / name).read_text())
        self.run(["env", "DEBIAN_FRONTEND=noninteractive", "sh", "-ec",
                  'pam-auth-update --enable "$@"; sed -Ei '
                  r"'s/(pam_(unix|dssync)\.so.*)/\1 nodelay/' "
                  "/etc/pam.d/common-auth", "sh", *names])

    def has_product(self):
        return Path(self.path("/usr/sbin/synccached")).exists()

    def start_daemon(self):
        if not self.has_product():
            raise LabError("the product is not installed on this host "
                           "(dslab up ran with --no-product)")
        if self.daemon_pid(DAEMON) is None:
            self.spawn(["/usr/sbin/synccached"], DAEMON_LOG,
                       DAEMON)

    def stop_daemon_process(self):
        return self.stop_daemon(DAEMON)
