# SPDX-License-Identifier: GPL-3.0-or-later
"""The ticket cache of a session: of the type that krb5.conf names, the user's
alone, and gone at the end."""

from contextlib import contextmanager

import pytest

from laboratory import DOMAIN, PASSWORD, wait_until

ALICE = f"alice@{DOMAIN}"
GRACE = f"grace@{DOMAIN}"
TYPES = {"FILE": "FILE:/tmp/krb5cc_%{uid}",
         "DIR": "DIR:/tmp/krb5dir_%{uid}",
         "KCM": "KCM:",
         "KEYRING": "KEYRING:persistent:%{uid}"}
KRBTGT = "krbtgt/AADDSCONTOSO.COM@AADDSCONTOSO.COM"


@contextmanager
def default_cache(lab, name):
    path = lab.lab.host.path("/etc/krb5.conf")
    before = path.read_text()
    path.write_text(before.replace(
        "[libdefaults]\n", f"[libdefaults]\n\tdefault_ccache_name = {name}\n"))
    try:
        yield
    finally:
        path.write_text(before)


@pytest.fixture(scope="module", name="kcm")
def start_kcm(lab):
    """The daemon behind KCM: caches; it knows whose they are by the socket."""
    socket = lab.lab.host.path("/run/.heim_org.h5l.kcm-socket")
    lab.shell("kcm --detach")
    wait_until("kcm listens", socket.exists)
    yield
    lab.output("pkill", "-x", "kcm")
    socket.unlink()


@pytest.fixture(params=sorted(TYPES))
def cache_type(lab, kcm, request):
    # The first login of all makes the home.
    assert lab.ssh(ALICE, PASSWORD).returncode == 0
    with default_cache(lab, TYPES[request.param]):
        yield request.param


def as_alice(lab, command, **env):
    return lab.host("runuser", "-u", ALICE, "--", "env",
                    *(f"{k}={v}" for k, v in env.items()), "sh", "-c",
                    command)


def leftovers(lab):
    """Ticket caches of alice's that somebody could still use."""
    # The client of a session is gone before sshd has closed it.
    wait_until("alice has no session", lambda: lab.host(
        "pgrep", "-f", f"^sshd: {ALICE}").returncode != 0)
    files = lab.shell("find /tmp -name 'krb5cc_*' -o -name 'tkt*'").stdout
    others = as_alice(lab, "for c in KEYRING:persistent:$(id -u) KCM:; do "
                      "klist -l -c $c 2>/dev/null | grep -a $c; done").stdout
    return files + others


def test_cache_of_each_type(lab, cache_type):
    result = lab.ssh(ALICE, PASSWORD, "echo $KRB5CCNAME; klist; "
                     "kvno -q host/host1.aaddscontoso.com && echo works; "
                     "case $KRB5CCNAME in FILE:*) f=${KRB5CCNAME#FILE:};; "
                     "DIR::*) f=${KRB5CCNAME#DIR::}; "
                     "stat -c '%U %a' $(dirname $f);; esac; "
                     "[ -z \"$f\" ] || stat -c '%U %a' $f")
    lines = result.stdout.splitlines()
    assert lines[0].startswith(TYPES[cache_type].split("%")[0].replace(
        "DIR:", "DIR::")), lines
    assert KRBTGT in result.stdout and "works" in lines
    assert lines[lines.index("works") + 1:] == {
        "FILE": [f"{ALICE} 600"], "KEYRING": [], "KCM": [],
        "DIR": [f"{ALICE} 700", f"{ALICE} 600"]}[cache_type]
    # The session is over, and with it the ticket.
    assert leftovers(lab) == ""
    assert as_alice(lab, "klist -s", KRB5CCNAME=lines[0]).returncode != 0


def test_two_sessions_have_a_cache_each(lab, cache_type):
    """The end of one takes nothing from the other."""
    inner = (f"sshpass -p {PASSWORD} ssh -o StrictHostKeyChecking=no "
             "-o UserKnownHostsFile=/dev/null host1 'echo $KRB5CCNAME'")
    result = lab.ssh(ALICE, PASSWORD, f"echo $KRB5CCNAME; {inner}; "
                     "klist -s && echo still")
    first, second, still = result.stdout.splitlines()
    assert first != second and still == "still"
    assert first.split(":")[0] == second.split(":")[0] == cache_type
    assert leftovers(lab) == ""


def test_a_folder_that_somebody_prepared(lab):
    """DIR in a folder that another user made: no cache, but the login."""
    uid = lab.passwd(ALICE)[2]
    with default_cache(lab, TYPES["DIR"]):
        lab.output("rm", "-rf", f"/tmp/krb5dir_{uid}")
        lab.output("runuser", "-u", "localuser", "--", "mkdir", "-m", "777",
                   f"/tmp/krb5dir_{uid}")
        try:
            result = lab.ssh(ALICE, PASSWORD, "echo name=$KRB5CCNAME")
            assert result.stdout == "name=\n"
            assert lab.output("ls", "-A", f"/tmp/krb5dir_{uid}") == ""
        finally:
            lab.output("rm", "-rf", f"/tmp/krb5dir_{uid}")


# ---- re-authentication -------------------------------------------------------

# As a locker does: the user's own password, then the credentials anew.
UNLOCK = (f"echo {PASSWORD} | pamtester sshd {ALICE} authenticate "
          "'setcred({flag})' >/dev/null 2>&1 && echo unlocked; ")


@pytest.mark.parametrize("flag", ["PAM_REINITIALIZE_CRED",
                                  "PAM_REFRESH_CRED"])
def test_locker_renews_the_session_s_cache(lab, cache_type, flag):
    result = lab.ssh(ALICE, PASSWORD, "echo $KRB5CCNAME; "
                     "kvno -q host/host1.aaddscontoso.com; klist | wc -l; "
                     + UNLOCK.replace("{flag}", flag)
                     + "echo $KRB5CCNAME; klist | wc -l; klist -s && "
                     "echo good; ls /tmp/krb5cc_* /tmp/krb5dir*/tkt* "
                     "2>/dev/null | wc -l")
    name, before, unlocked, same, after, good, files = \
        result.stdout.splitlines()
    assert unlocked == "unlocked" and name == same and good == "good"
    # A new TGT, without the service tickets of the old one.
    assert int(after) < int(before)
    assert int(files) == (cache_type in ("DIR", "FILE"))
    assert leftovers(lab) == ""


def test_locker_leaves_other_principals_alone(lab):
    """KRB5CCNAME names a cache of another identity."""
    result = lab.ssh(
        ALICE, PASSWORD, "export KRB5CCNAME=FILE:$HOME/other; "
        f"echo {PASSWORD} | kinit grace@AADDSCONTOSO.COM >/dev/null; "
        + UNLOCK.replace("{flag}", "PAM_REFRESH_CRED")
        + "klist | grep '^Default'; rm ~/other; "
        + UNLOCK.replace("{flag}", "PAM_REFRESH_CRED") + "ls ~/other*")
    assert result.stdout.splitlines() == [
        "unlocked", "Default principal: grace@AADDSCONTOSO.COM", "unlocked"]
    assert leftovers(lab) == ""


def test_locker_without_a_cache_leaves_none_behind(lab):
    result = as_alice(lab, UNLOCK.replace("{flag}", "PAM_REFRESH_CRED"))
    assert result.stdout == "unlocked\n", lab.log()[-1500:]
    assert leftovers(lab) == ""


@pytest.mark.parametrize("flag", ["PAM_REINITIALIZE_CRED",
                                  "PAM_REFRESH_CRED"])
def test_display_manager_leaves_no_cache_behind(lab, cache_type, flag):
    """It unlocks as root, and opens no session that would end."""
    result = lab.host("pamtester", "sshd", ALICE, "authenticate", "acct_mgmt",
                      f"setcred({flag})", input=PASSWORD + "\n")
    assert result.returncode == 0, result.stderr
    assert leftovers(lab) == ""


# ---- su and sudo --------------------------------------------------------------

EXPECT = r"""
    set timeout 30
    spawn runuser -u localuser -- su $env(SU_OPTION) $env(SU_USER) \
        -c $env(SU_COMMAND)
    expect {
        -re "assword:" {}
        default { exit 98 }
    }
    send "$env(SU_PASSWORD)\r"
    expect eof
    catch wait result
    exit [lindex $result 3]"""


@pytest.mark.parametrize("option", ["-", "--"])
def test_su_has_a_cache_of_its_own(lab, cache_type, option):
    result = lab.host(
        "env", f"SU_USER={ALICE}", f"SU_PASSWORD={PASSWORD}",
        f"SU_OPTION={option}", "KRB5CCNAME=FILE:/tmp/somebody",
        "SU_COMMAND=echo name=$KRB5CCNAME; klist -s && echo good",
        "expect", "-c", EXPECT)
    lines = result.stdout.replace("\r", "").splitlines()
    assert any(line.startswith(f"name={cache_type}:") for line in lines), lines
    assert "name=FILE:/tmp/somebody" not in lines and "good" in lines
    assert leftovers(lab) == ""


def test_sudo_leaves_no_ticket_of_the_caller_s(lab):
    """The password was alice's, the session is another's: no new cache, and
    sudo itself hands on the name of the old one."""
    lab.lab.host.write("/etc/sudoers.d/lab", f'"{ALICE}" ALL=(ALL) ALL\n',
                       0o440)
    try:
        result = lab.ssh(
            ALICE, PASSWORD, "echo $KRB5CCNAME; "
            f"echo '{PASSWORD}' | sudo -k -S sh -c "
            "'echo $KRB5CCNAME; ls /tmp/krb5cc_* | wc -l'; "
            f"echo '{PASSWORD}' | sudo -k -S -u '{GRACE}' sh -c "
            "'ls /tmp/krb5cc_* | wc -l; klist -s || echo none'; "
            "klist -s && echo mine")
        name, *rest = result.stdout.splitlines()
        assert rest == [name, "1", "1", "none", "mine"], result.stderr
    finally:
        lab.output("rm", "/etc/sudoers.d/lab")
    assert leftovers(lab) == ""


def test_sudo_with_the_target_s_password(lab):
    """sudo re-initializes credentials before it opens the session; the
    password was that user's, and so is the ticket."""
    lab.lab.host.write("/etc/sudoers.d/lab", "Defaults targetpw\n"
                       f'"{ALICE}" ALL=(ALL) ALL\n', 0o440)
    try:
        result = lab.ssh(
            ALICE, PASSWORD, f"unset KRB5CCNAME; echo '{PASSWORD}' | "
            f"sudo -k -S -u '{GRACE}' sh -c 'echo $KRB5CCNAME; env | "
            "grep -c ^DSSYNC; klist | grep ^Default'; ls /tmp/krb5cc_* | wc -l")
        name, handles, owner, left = result.stdout.splitlines()
        assert name.startswith("FILE:/tmp/krb5cc_"), result.stderr
        assert handles == "0" and left == "1"
        assert owner == "Default principal: grace@AADDSCONTOSO.COM"
    finally:
        lab.output("rm", "/etc/sudoers.d/lab")
    assert leftovers(lab) == ""
