# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing flows back: no write to the directory comes from this host."""

import json
import subprocess
from pathlib import Path

from laboratory import PASSWORD, new_user

HOST_ADDRESS = "10.99.0.20"
AUDIT = "/var/log/samba/audit.log"
JOIN_AUDIT = "/var/log/samba/audit-join.log"
WRITE_CALLS = ("ldap_add", "ldap_modify", "ldap_delete", "ldap_rename",
               "ldap_modrdn", "ldap_passwd", "ldap_extended_operation")


def changes(lab, path):
    """Every change of the directory that the DC logged, as JSON records."""
    text = lab.lab.dc.path(path).read_text(errors="replace")
    decoder = json.JSONDecoder()
    found, at = [], text.find("{")
    while at >= 0:
        record, end = decoder.raw_decode(text, at)
        found.append(record["dsdbChange"])
        at = text.find("{", end)
    return found


def from_host(records):
    return [r for r in records
            if HOST_ADDRESS in (r.get("remoteAddress") or "")]


def test_the_log_would_show_a_write(lab):
    # The join wrote from this address, so the next test can fail.
    assert from_host(changes(lab, JOIN_AUDIT))


def test_no_write_comes_from_the_host(lab, tenant):
    # Other tests write from the host on purpose, as people: they come before.
    before = len(changes(lab, AUDIT))
    tenant["users"].append(new_user("oneway@contoso.com"))
    lab.apply(tenant)
    lab.sync()
    assert lab.ssh("oneway@contoso.com", PASSWORD).returncode == 0
    assert lab.ssh("oneway@contoso.com", "Wrong-Horse-1").returncode != 0
    assert lab.ssh("disabled@aaddscontoso.com", PASSWORD).returncode != 0
    lab.sync("--full")
    lab.daemon("restart")
    lab.sync("--full")
    lab.host("dssyncctl", "doctor")
    now = changes(lab, AUDIT)[before:]
    assert now  # the new user, from the other side
    assert from_host(now) == []


def product_files(lab):
    root = lab.lab.host.path("/")
    folders = ("usr/sbin", "usr/bin", "usr/libexec/dssync")
    names = ("synccached", "dssyncctl", "dssync-sync", "dssync-auth",
             "dssync-ccache")
    found = [root / folder / name for folder in folders for name in names
             if (root / folder / name).exists()]
    found += root.glob("usr/lib/*/libnss_dssync.so.2")
    found += root.glob("usr/lib/*/security/pam_dssync.so")
    return found


def imports(path):
    result = subprocess.run(["nm", "-D", "--undefined-only", str(path)],
                            capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return [line.split()[-1].split("@")[0]
            for line in result.stdout.splitlines() if line]


def test_no_program_imports_a_write_call(lab):
    files = product_files(lab)
    assert {path.name for path in files} >= {
        "synccached", "dssyncctl", "dssync-sync", "dssync-auth",
        "dssync-ccache", "libnss_dssync.so.2", "pam_dssync.so"}
    for path in files:
        bad = [s for s in imports(path) if s.startswith(WRITE_CALLS)]
        assert bad == [], path


def test_only_sync_links_ldap(lab):
    users = {Path(path).name for path in product_files(lab)
             if any(s.startswith(("ldap_", "ber_")) for s in imports(path))}
    assert users == {"dssync-sync"}
