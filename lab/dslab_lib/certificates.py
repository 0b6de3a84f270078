# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's own certification authority, for LDAPS.

It lives in the lab's folder and goes with it; a host finds its certificate in
CA_FILE and trusts it only where it is told to.
"""

import subprocess
from pathlib import Path

from .errors import LabError

CA_FILE = "/etc/ssl/dslab-ca.pem"
# Where Samba looks by itself, and makes its own where it finds none.
TLS_DIR = "/var/lib/samba/private/tls"


def openssl(*args):
    result = subprocess.run(["openssl", *args], capture_output=True,
                            text=True, stdin=subprocess.DEVNULL)
    if result.returncode != 0:
        raise LabError(f"openssl {args[0]}: {result.stderr.strip()}")


class Authority:
    def __init__(self, state_dir):
        self.dir = Path(state_dir, "ca")
        self.key, self.certificate = self.dir / "ca.key", self.dir / "ca.pem"

    def create(self):
        self.dir.mkdir(mode=0o700)
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                "-subj", "/CN=dslab CA", "-keyout", str(self.key),
                "-out", str(self.certificate))

    def issue(self, fqdn):
        """(key, certificate) files for a server."""
        key, request, made = (self.dir / f"{fqdn}.{suffix}"
                              for suffix in ("key", "csr", "pem"))
        openssl("req", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={fqdn}",
                "-addext", f"subjectAltName=DNS:{fqdn}",
                "-keyout", str(key), "-out", str(request))
        openssl("x509", "-req", "-in", str(request), "-days", "30",
                "-copy_extensions", "copy", "-CA", str(self.certificate),
                "-CAkey", str(self.key), "-out", str(made))
        return key, made

    def equip(self, controller):
        """Give a domain controller a certificate, before it starts."""
        key, certificate = self.issue(controller.fqdn)
        controller.run(["mkdir", "-p", "-m", "0700", TLS_DIR])
        for name, source, mode in (("key", key, 0o600),
                                   ("cert", certificate, 0o644),
                                   ("ca", self.certificate, 0o644)):
            controller.write(f"{TLS_DIR}/{name}.pem", source.read_text(),
                             mode)

    def introduce(self, host):
        host.write(CA_FILE, self.certificate.read_text())
