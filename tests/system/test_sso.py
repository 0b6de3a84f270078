# SPDX-License-Identifier: GPL-3.0-or-later
"""Single sign-on: GSSAPI logins through sshd with krb5_dssync."""

import re

import pytest

from laboratory import DOMAIN, NETBIOS, PASSWORD, user_of

ALICE = "alice@aaddscontoso.com"
HEIDI = "heidi@contoso.com"
REALM = DOMAIN.upper()
CCACHE = "/tmp/test_sso.ccache"
PIECE = "/usr/share/dssync/dssync.krb5.conf"


@pytest.fixture(scope="module", autouse=True)
def single_sign_on(lab):
    """What krb5_dssync(8) tells the administrator to do."""
    lab.output("sh", "-c", "cp /etc/krb5.conf /etc/ssh/sshd_config /root && "
               "mkdir -p /etc/krb5.conf.d && "
               f"cp {PIECE} /etc/krb5.conf.d/dssync.conf && "
               "sed -i '1i includedir /etc/krb5.conf.d' /etc/krb5.conf && "
               "echo 'GSSAPIAuthentication yes' >>/etc/ssh/sshd_config")
    lab.restart_sshd()
    yield
    lab.output("sh", "-c", "rm -r /etc/krb5.conf.d; "
               "cp /root/krb5.conf /etc/; cp /root/sshd_config /etc/ssh/")
    lab.restart_sshd()


@pytest.fixture(autouse=True)
def no_ticket(lab):
    yield
    lab.output("rm", "-f", CCACHE)


def kinit(lab, principal, password=PASSWORD, *options):
    result = lab.host("env", f"KRB5CCNAME={CCACHE}", "kinit", *options,
                      principal, input=password + "\n")
    assert result.returncode == 0, result.stdout + result.stderr
    listing = lab.output("klist", CCACHE)
    return re.search(r"Default principal: (.*)", listing).group(1)


def sso(lab, user, command="id -un"):
    """Log in with the ticket and nothing else."""
    return lab.host("env", f"KRB5CCNAME={CCACHE}", "ssh",
                    "-o", "BatchMode=yes",
                    "-o", "GSSAPIAuthentication=yes",
                    "-o", "PreferredAuthentications=gssapi-with-mic",
                    "-l", user, "host1.aaddscontoso.com", command)


def assert_in(lab, user, name):
    result = sso(lab, user)
    assert (result.returncode, result.stdout) == (0, name + "\n"), \
        result.stderr + lab.output("tail", "-20", "/var/log/sshd.log")


def assert_out(lab, user):
    result = sso(lab, user)
    assert result.returncode == 255 and result.stdout == "", result.stdout
    # It was the ticket that was refused, not the transport.
    assert "Permission denied" in result.stderr


@pytest.mark.parametrize("upn", [
    ALICE, HEIDI, "ivan@contoso.onmicrosoft.com", "driley@contoso.com",
    "bartholomew.featherstonehaugh@contoso.com", "o'neil@contoso.com"])
def test_by_upn(lab, upn):
    """Also with another suffix, also with a generated sAMAccountName."""
    assert kinit(lab, upn, PASSWORD, "-C", "-E") == \
        f"{lab.sam(upn)}@{REALM}"
    if "'" not in upn:  # the ssh client refuses such a name
        assert_in(lab, upn, upn)


@pytest.mark.parametrize("typed", ["ALICE@AADDSContoso.COM",
                                   f"{NETBIOS}\\alice"])
def test_every_spelling(lab, typed):
    kinit(lab, ALICE, PASSWORD, "-C", "-E")
    assert_in(lab, typed, ALICE)


def test_from_the_session_of_a_password_login(lab):
    """The ticket that pam_dssync stored opens the next door."""
    result = lab.ssh(HEIDI, PASSWORD, "ssh -o BatchMode=yes "
                     "-o GSSAPIAuthentication=yes -l " + HEIDI +
                     " host1.aaddscontoso.com id -un")
    assert (result.returncode, result.stdout) == (0, HEIDI + "\n"), \
        result.stderr


def test_works_without_the_daemon(lab):
    lab.daemon("stop")
    try:
        assert userok(lab, f"alice@{REALM}", ALICE) == "yes"
        assert userok(lab, f"heidi@{REALM}", ALICE) == "no"
    finally:
        lab.daemon("start")
        lab.sync()


def test_another_s_ticket(lab):
    kinit(lab, HEIDI, PASSWORD, "-C", "-E")
    for user in (ALICE, "root", "localuser", f"alice@{DOMAIN}"):
        assert_out(lab, user)


def test_k5login_admits_nobody_else_to_a_domain_account(lab):
    """It is the other user's own file, and not enough."""
    assert lab.ssh(ALICE, PASSWORD, "id -un").returncode == 0
    path = f"/home/{ALICE}/.k5login"
    sam = lab.sam(HEIDI)
    lab.lab.host.write(path, f"{sam}@{REALM}\nalice@{REALM}\n")
    lab.output("chown", ALICE, path)
    try:
        kinit(lab, HEIDI, PASSWORD, "-C", "-E")
        assert_out(lab, ALICE)
        kinit(lab, ALICE, PASSWORD, "-C", "-E")
        assert_in(lab, ALICE, ALICE)
    finally:
        lab.output("rm", path)


def test_k5login_of_a_local_account_is_the_administrator_s(lab):
    lab.output("sh", "-c", f"echo alice@{REALM} >/home/localuser/.k5login; "
               "chown localuser /home/localuser/.k5login")
    try:
        kinit(lab, ALICE, PASSWORD, "-C", "-E")
        assert_in(lab, "localuser", "localuser")
        kinit(lab, HEIDI, PASSWORD, "-C", "-E")
        assert_out(lab, "localuser")
    finally:
        lab.output("rm", "/home/localuser/.k5login")


def test_a_disabled_account_with_a_ticket(lab, tenant):
    kinit(lab, HEIDI, PASSWORD, "-C", "-E")
    assert_in(lab, HEIDI, HEIDI)
    user_of(tenant, HEIDI)["accountEnabled"] = False
    lab.apply(tenant)
    lab.sync()
    assert_out(lab, HEIDI)


def test_directory_users_called_like_local_ones(lab):
    """The tenant has root@ and postgres@: they are themselves, at most."""
    for upn in ("root@aaddscontoso.com", "postgres@aaddscontoso.com"):
        principal = kinit(lab, upn, PASSWORD, "-C", "-E")
        assert_out(lab, "root")
        assert_out(lab, "localuser")
        if principal == f"{lab.sam(upn)}@{REALM}":
            assert_in(lab, upn, upn)


def test_the_host_s_own_ticket(lab):
    """Whoever is root here is not so elsewhere by the machine's ticket."""
    lab.output("env", f"KRB5CCNAME={CCACHE}", "kinit", "-k", "HOST1$")
    for user in ("root", "localuser", ALICE):
        assert_out(lab, user)


def test_a_machine_called_like_a_local_account(lab):
    """CVE-2025-11561's other half: the ticket of localuser$ says localuser."""
    lab.dc("samba-tool", "computer", "create", "localuser")
    lab.dc("samba-tool", "user", "setpassword", "localuser$",
           f"--newpassword={PASSWORD}")
    try:
        principal = kinit(lab, "localuser")
        assert principal == f"localuser@{REALM}"
        assert_out(lab, "localuser")
        assert_out(lab, "root")
        assert kinit(lab, "localuser$") == f"localuser$@{REALM}"
        assert_out(lab, "localuser")
    finally:
        lab.dc("samba-tool", "computer", "delete", "localuser")


def test_the_built_in_mapping_would_let_that_machine_in(lab):
    """So the test above can fail: without krb5_dssync it is a login."""
    lab.dc("samba-tool", "computer", "create", "localuser")
    lab.dc("samba-tool", "user", "setpassword", "localuser$",
           f"--newpassword={PASSWORD}")
    lab.output("mv", "/etc/krb5.conf.d/dssync.conf", "/root/")
    try:
        kinit(lab, "localuser")
        assert_in(lab, "localuser", "localuser")
    finally:
        lab.output("mv", "/root/dssync.conf", "/etc/krb5.conf.d/")
        lab.dc("samba-tool", "computer", "delete", "localuser")


def test_the_plugin_alone_stops_that_machine(lab):
    """Even where somebody switched the built-in modules on again."""
    lab.dc("samba-tool", "computer", "create", "localuser")
    lab.dc("samba-tool", "user", "setpassword", "localuser$",
           f"--newpassword={PASSWORD}")
    lab.output("sed", "-i.was", "/disable/d",
               "/etc/krb5.conf.d/dssync.conf")
    try:
        kinit(lab, "localuser")
        assert_out(lab, "localuser")
        kinit(lab, ALICE, PASSWORD, "-C", "-E")
        assert_in(lab, ALICE, ALICE)
    finally:
        lab.output("sh", "-c", "cd /etc/krb5.conf.d && "
                   "mv dssync.conf.was dssync.conf")
        lab.dc("samba-tool", "computer", "delete", "localuser")


# ---- the library's own two questions ---------------------------------------

def userok(lab, principal, account):
    """What krb5_kuserok(3) says: "yes" or "no"."""
    code = ("import ctypes, sys\n"
            "k = ctypes.CDLL('libkrb5.so.3')\n"
            "c, p = ctypes.c_void_p(), ctypes.c_void_p()\n"
            "assert k.krb5_init_context(ctypes.byref(c)) == 0\n"
            "assert k.krb5_parse_name(c, sys.argv[1].encode(),"
            " ctypes.byref(p)) == 0\n"
            "print('yes' if k.krb5_kuserok(c, p, sys.argv[2].encode())"
            " else 'no')")
    return lab.output("/usr/bin/python3", "-c", code, principal,
                      account).strip()


@pytest.mark.parametrize("client, account, answer", [
    (f"alice@{REALM}", ALICE, "yes"),
    (f"ALICE@{REALM}", ALICE, "yes"),
    (f"alice@{REALM}", "Alice@AADDSContoso.com", "yes"),
    (f"alice@{DOMAIN}", ALICE, "no"),
    ("alice@OTHER.EXAMPLE", ALICE, "no"),
    (f"alice/admin@{REALM}", ALICE, "no"),
    (f"alice\\@{DOMAIN}@{REALM}", ALICE, "no"),
    (f"alice$@{REALM}", ALICE, "no"),
    (f"host1$@{REALM}", "root", "no"),
    (f"root$@{REALM}", "root", "no"),
    (f"root@{REALM}", "root", "no"),
    (f"localuser@{REALM}", "localuser", "no"),
    ("localuser@OTHER.EXAMPLE", "localuser", "no")])
def test_kuserok(lab, client, account, answer):
    assert userok(lab, client, account) == answer
