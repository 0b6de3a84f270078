# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way into a host, by the real programs and the shipped PAM profile.

sshd by password, keyboard-interactive and ticket are in test_login.py and
test_sso.py as well, screen lockers in test_abuse.py, passwd and the forced
change of accounts of custom units in test_account.py; here are keys, login(1),
su, sudo and passwd, in every spelling of a name.
"""

import json
from pathlib import Path

import pytest

from laboratory import DOMAIN, NETBIOS, PASSWORD, new_user, user_of
from terminal import converse
from test_auth import directory

ALICE = f"alice@{DOMAIN}"
HEIDI = "heidi@contoso.com"
WRONG = "Wrong-Horse-1"
KEY = "/root/ways.key"
SPELLINGS = (ALICE, "ALICE@AADDSContoso.COM", f"{NETBIOS}\\alice")


def audit(lab, event):
    return [line for line in lab.log().splitlines()
            if f"audit event={event} " in line]


# ---- the profile -----------------------------------------------------------

def test_the_profile_is_the_shipped_one(lab):
    """As pam-auth-update makes it of packaging/pam; `nodelay` is the lab's."""
    stacks = "cat /etc/pam.d/common-* | tr -s '\\t ' ' '"
    before = lab.output("sh", "-c", stacks)
    # It would leave alone, and complain of, what somebody has changed.
    lab.output("env", "DEBIAN_FRONTEND=noninteractive", "pam-auth-update",
               "--package")
    assert lab.output("sh", "-c", stacks) == before
    for line in ("auth [success=2 user_unknown=ignore module_unknown=ignore "
                 "default=die] pam_dssync.so nodelay",
                 "account [default=bad success=ok user_unknown=ignore] "
                 "pam_dssync.so", "session optional pam_dssync.so",
                 "password [success=1 user_unknown=ignore "
                 "module_unknown=ignore default=die] pam_dssync.so"):
        assert line in map(str.strip, before.splitlines())


# ---- sshd, every method ----------------------------------------------------

@pytest.mark.parametrize("method", ["password", "keyboard-interactive"])
@pytest.mark.parametrize("typed", SPELLINGS)
def test_ssh(lab, method, typed):
    result = lab.host("sshpass", "-p", PASSWORD, "ssh", "-o",
                      f"PreferredAuthentications={method}", "-l", typed,
                      "host1", "id -un")
    assert (result.returncode, result.stdout) == (0, ALICE + "\n"), \
        result.stderr


# ---- sshd by key -----------------------------------------------------------

def give_key(lab, user):
    """An authorized key in the user's own home directory."""
    home = lab.passwd(user)[5]
    lab.output("sh", "-ec", '[ -e "$1" ] || ssh-keygen -q -t ed25519 -N "" '
               '-f "$1"; mkdir -p "$2/.ssh"; '
               'cp "$1.pub" "$2/.ssh/authorized_keys"; '
               'chown -R "$3": "$2"; chmod 700 "$2"', "sh", KEY, home, user)


def by_key(lab, user, command="id -un"):
    return lab.host("ssh", "-i", KEY, "-o", "BatchMode=yes", "-o",
                    "PreferredAuthentications=publickey", "-l", user,
                    "host1", command)


def assert_out(result):
    """The key was taken and the account was not: sshd hangs up, or says
    "Permission denied" of a user who is none any more."""
    assert (result.returncode, result.stdout) == (255, ""), result


@pytest.mark.parametrize("typed", SPELLINGS)
def test_key(lab, typed):
    give_key(lab, ALICE)
    result = by_key(lab, typed)
    assert (result.returncode, result.stdout) == (0, ALICE + "\n"), \
        result.stderr + lab.log()[-1500:]


def test_key_of_a_disabled_account(lab, tenant):
    give_key(lab, HEIDI)
    assert by_key(lab, HEIDI).stdout == HEIDI + "\n"
    user_of(tenant, HEIDI)["accountEnabled"] = False
    lab.apply(tenant)
    lab.sync()
    assert_out(by_key(lab, HEIDI))
    assert 'result="disabled"' in audit(lab, "account")[-1]


def test_key_of_a_deleted_account(lab, tenant):
    """After the reconcile it is nobody, home and key or not."""
    user = f"leaver@{DOMAIN}"
    tenant["users"].append(new_user(user))
    lab.apply(tenant)
    lab.sync()
    give_key(lab, user)
    assert by_key(lab, user).stdout == user + "\n"
    tenant["users"].pop()
    lab.apply(tenant)
    lab.sync("--full")
    assert_out(by_key(lab, user))


@pytest.fixture
def held(lab):
    """Forty accounts, all gone at once: more than the valve lets pass."""
    names = [f"held-{n}" for n in range(40)]
    directory(lab, "for name in args[0]:\n"
              "    new(name, args[1], f'{name}@' + args[2])\n", names,
              PASSWORD, DOMAIN)
    lab.sync()
    give_key(lab, f"held-0@{DOMAIN}")
    yield f"held-0@{DOMAIN}", lambda: directory(
        lab, "for name in args[0]:\n"
        "    sam.delete(dn_of(name))\n", names)
    lab.sync("--full", "--accept-deletes")


def test_key_of_a_held_account(lab, held):
    """It resolves, so that files keep their owner; nobody comes in by it,
    also where no domain controller can be asked."""
    user, delete_all = held
    assert by_key(lab, user).stdout == user + "\n"
    delete_all()
    lab.host("dssyncctl", "sync", "--wait", "--full")
    assert lab.status()["sync"]["held_count"] >= 40
    assert lab.passwd(user)
    assert_out(by_key(lab, user))
    decision = audit(lab, "account")[-1]
    assert 'result="denied"' in decision and user in decision, decision
    lab.samba("stop")
    try:
        assert_out(by_key(lab, user))
        assert "the object was gone when last seen" in \
            audit(lab, "account")[-1]
        # Who is not held comes in all the same.
        give_key(lab, ALICE)
        assert by_key(lab, ALICE).stdout == ALICE + "\n"
    finally:
        lab.samba("start")


def test_key_of_an_expired_account(lab):
    user = f"contractor@{DOMAIN}"
    give_key(lab, user)
    assert_out(by_key(lab, user))
    assert 'result="expired"' in audit(lab, "account")[-1]


# ---- whom a login talks to ------------------------------------------------

def test_whom_a_login_talks_to(lab):
    """The KDC's own exchange, and for a key the live check; no name server,
    and nobody else."""
    bench = Path(__file__).resolve().parents[2] / "bench" / "login"
    result = lab.host("/usr/bin/python3", "-", "network",
                      input=bench.read_text())
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    by_password, by_key, kinit = (
        {tuple(who[:3]): who[3] for who in found[way]["tally"]}
        for way in ("password", "key", "kinit"))
    # So that the rest can fail: this is how others find a KDC.
    assert any(port == 53 for _, _, port in kinit)
    # Two of the AS exchange, one for the ticket that proves the KDC.
    assert by_password == {("tcp", "10.99.0.10", 88): 3}
    assert by_key and set(by_key) <= {("open", "10.99.0.10", 389)}


# ---- login(1) --------------------------------------------------------------

def login(lab, user, password, *steps):
    """At a terminal, as getty starts it."""
    return converse(lab, ["login"], ("login: $", user),
                    ("Password: $", password), *steps)


@pytest.mark.parametrize("typed", SPELLINGS)
def test_login(lab, typed):
    talk = login(lab, typed, PASSWORD, (r"\$ $", "id -un; tty; exit"))
    assert talk.status == 0, talk
    assert ALICE in talk.lines, talk
    assert any(line.startswith("/dev/pts/") for line in talk.lines), talk


def test_login_wrong_password(lab):
    talk = login(lab, ALICE, WRONG, ("Login incorrect", None))
    assert talk.status == 0, talk


def test_login_to_a_disabled_account(lab):
    """Who knows the password is told, at the terminal."""
    talk = login(lab, f"disabled@{DOMAIN}", PASSWORD,
                 ("Your account is disabled.", None))
    assert talk.status == 0, talk


# ---- passwd ----------------------------------------------------------------

def test_passwd_of_a_synchronized_account(lab):
    """Told where, before a new password is typed for nothing."""
    talk = converse(lab, ["runuser", "-u", ALICE, "--", "passwd"])
    assert talk.status != 0, talk
    assert "where your organization keeps it" in talk.text, talk


def test_passwd_of_a_local_account(lab):
    talk = converse(lab, ["runuser", "-u", "localuser", "--", "passwd"],
                    ("[Cc]urrent password: $", "Local-Pass-1"),
                    ("New password: $", "Other-Local-Pass-2"),
                    ("Retype new password: $", "Other-Local-Pass-2"))
    assert talk.status == 0, talk
    assert "passwd: password updated successfully" in talk.lines
    lab.lab.host.run(["chpasswd"], input="localuser:Local-Pass-1\n")


# ---- su and sudo -----------------------------------------------------------

@pytest.mark.parametrize("typed", SPELLINGS)
def test_su(lab, typed):
    talk = converse(lab, ["runuser", "-u", "localuser", "--", "su", "-",
                          typed, "-c", "id -un; echo $HOME"],
                    ("Password: $", PASSWORD))
    assert talk.status == 0, talk
    assert talk.lines[-2:] == [ALICE, f"/home/{ALICE}"], talk


def test_su_from_one_domain_user_to_another(lab):
    talk = converse(lab, ["runuser", "-u", ALICE, "--", "su", "-", HEIDI,
                          "-c", "id -un"], ("Password: $", PASSWORD))
    assert (talk.status, talk.lines[-1]) == (0, HEIDI), talk


def test_su_to_a_disabled_account(lab):
    talk = converse(lab, ["runuser", "-u", "localuser", "--", "su",
                          f"disabled@{DOMAIN}", "-c", "id"],
                    ("Password: $", PASSWORD))
    assert talk.status == 1 and "Your account is disabled." in talk.lines


def test_root_s_su_to_a_disabled_account(lab):
    """pam_rootok answers auth; the account stage still says no."""
    result = lab.host("su", f"disabled@{DOMAIN}", "-c", "id")
    assert result.returncode == 1 and result.stdout == "", result


def test_sudo(lab):
    lab.lab.host.write("/etc/sudoers.d/ways", "Defaults passwd_tries=1\n"
                       f'"{ALICE}" ALL=(ALL) ALL\n', 0o440)
    try:
        for password, status in ((WRONG, 1), (PASSWORD, 0)):
            talk = converse(
                lab, ["runuser", "-u", ALICE, "--", "sudo", "id", "-un"],
                (rf"password for {ALICE}: $", password))
            assert talk.status == status, talk
            assert ("root" in talk.lines) == (status == 0), talk
    finally:
        lab.output("rm", "/etc/sudoers.d/ways")
