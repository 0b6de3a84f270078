# SPDX-License-Identifier: GPL-3.0-or-later
"""LDAPS and StartTLS: what is refused, and that it is said why."""

import contextlib
import tempfile
from pathlib import Path

import pytest

from dslab_lib.certificates import CA_FILE, TLS_DIR, openssl
from laboratory import DOMAIN, dslab, wait_until
from terminal import converse

DC = f"dc1.{DOMAIN}"
ALICE = "alice@aaddscontoso.com"


def transport(lab, name, ca_file=CA_FILE):
    """The daemon anew, with that transport; gives what it logged since."""
    return lab.configured(f"transport = {name}\n"
                          + (f"ca_file = {ca_file}" if ca_file else ""))


@contextlib.contextmanager
def certificate(lab, fqdn, days):
    """The domain controller with another certificate of the lab's CA."""
    authority = lab.lab.dc.path(f"{TLS_DIR}/ca.pem").read_text()
    ca = Path("/run/dslab", lab.name, "ca")
    assert (ca / "ca.pem").read_text() == authority
    names = ("key.pem", "cert.pem")
    before = [lab.lab.dc.path(f"{TLS_DIR}/{name}").read_bytes()
              for name in names]
    with tempfile.TemporaryDirectory() as where:
        key, request, made = (f"{where}/{name}" for name in "krc")
        openssl("req", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=test",
                "-addext", f"subjectAltName=DNS:{fqdn}",
                "-keyout", key, "-out", request)
        openssl("x509", "-req", "-in", request, "-days", str(days),
                "-copy_extensions", "copy", "-CA", str(ca / "ca.pem"),
                "-CAkey", str(ca / "ca.key"), "-out", made)
        new = [Path(key).read_bytes(), Path(made).read_bytes()]
    lab.samba("stop")
    try:
        for name, data in zip(names, new):
            lab.lab.dc.path(f"{TLS_DIR}/{name}").write_bytes(data)
        lab.samba("start")
        yield
    finally:
        lab.samba("stop")
        for name, data in zip(names, before):
            lab.lab.dc.path(f"{TLS_DIR}/{name}").write_bytes(data)
        lab.samba("start")


def ports(lab):
    """The DC's port of each connection that the host has."""
    peers = lab.output("ss", "-Htn", "state", "established",
                       "dst", "10.99.0.10").split()[3::4]
    return [peer.rpartition(":")[2] for peer in peers]


@pytest.mark.parametrize("name, port", [("ldaps", "636"),
                                        ("starttls", "389")])
def test_everything_is_read_inside_of_tls(lab, name, port):
    with transport(lab, name):
        lab.sync("--full")
        assert lab.status()["sync"]["transport"] == name
        assert f"dirsync over {name}" in lab.output("dssyncctl", "status")
        assert lab.passwd(ALICE)
        # Without a password before it: a key login, which looks at alice
        # now, over a connection of its own.
        lab.output("pamtester", "sshd", ALICE, "acct_mgmt")
        wait_until("both connections", lambda: ports(lab) == [port, port])


def refused(lab, log, *words):
    wait_until("status says why", lambda: all(
        word in lab.problems() for word in words))
    assert lab.status()["sync"]["server"] == ""
    lines = [line for line in log().splitlines()
             if all(word in line for word in words)]
    assert len(lines) == 1, log()
    # What was published before is still there.
    assert lab.passwd(ALICE)


@pytest.mark.parametrize("name", ["ldaps", "starttls"])
def test_an_unknown_ca_is_refused(lab, name):
    with transport(lab, name, ca_file="") as log:
        refused(lab, log, DC, "certificate is not from a CA in /etc/ssl/")


def test_a_missing_ca_file_is_named(lab):
    with transport(lab, "ldaps", ca_file="/etc/ssl/no-such.pem") as log:
        refused(lab, log, DC, "/etc/ssl/no-such.pem")


@pytest.mark.parametrize("fqdn, days, words", [
    (f"dc9.{DOMAIN}", 30, f"for another host: dc9.{DOMAIN}"),
    (DC, -1, "certificate expired on 20"),
])
def test_a_certificate_of_another_host_or_time_is_refused(lab, fqdn, days,
                                                          words):
    with certificate(lab, fqdn, days):
        for name in ("ldaps", "starttls"):
            with transport(lab, name) as log:
                refused(lab, log, DC, words)


# ---- progress ----------------------------------------------------------------

def test_a_long_load_shows_how_far_it_is(lab):
    # TLS hands over 16 KiB at a time; the sealed bind, all of a small domain.
    with transport(lab, "ldaps"):
        lab.sync()
        assert dslab("dc", "slow", "dc1", "64kbit", "--name",
                     lab.name).returncode == 0
        try:
            talk = converse(
                lab, ["dssyncctl", "sync", "--wait", "--full"],
                (r"full load \[[#.]{30}\] +\d+% [1-9]\d* objects, \d+/s",
                 None))
            assert talk.status == 0, talk
            sync = lab.status()["sync"]
            assert sync["state"] == "pulling", sync
            assert sync["phase"] == "full load"
            assert sync["progress"]["objects"] > 0
            assert sync["progress"]["expected"] > 70
        finally:
            assert dslab("dc", "mend", "dc1", "--name",
                         lab.name).returncode == 0
