# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins through a real sshd, su and sudo on the joined host."""

import re

import pytest

from laboratory import DOMAIN, NETBIOS, PASSWORD

ALICE = "alice@aaddscontoso.com"
WRONG = "Wrong-Horse-1"
ODD_PASSWORD = "Pä ss-wörd \"7\" $HOME"


def assert_refused(result):
    """sshd asked again (5 is sshpass's word for it); nothing ran."""
    assert result.returncode == 5, result.stdout + result.stderr
    assert result.stdout == ""


# ---- the right password ----------------------------------------------------

@pytest.mark.parametrize("upn", [
    ALICE, "heidi@contoso.com", "ivan@contoso.onmicrosoft.com",
    "driley@aaddscontoso.com", "driley@contoso.com",
    "bartholomew.featherstonehaugh@contoso.com",
    "maximilian.von.hohenberg@aaddscontoso.com", "olivia@contoso.com",
    "frank@fabrikam.com", "administrator@contoso.com",
    "evergreen@aaddscontoso.com", "0@aaddscontoso.com"])
def test_right_password(lab, upn):
    result = lab.ssh(upn, PASSWORD)
    assert (result.returncode, result.stdout) == (0, upn + "\n"), \
        result.stderr + lab.log()[-1500:]


@pytest.mark.parametrize("typed", [
    "ALICE@AADDSContoso.COM", f"{NETBIOS}\\alice", "aaddscontoso\\Alice"])
def test_other_spellings_are_the_same_user(lab, typed):
    result = lab.ssh(typed, PASSWORD, "id -un; id -u; echo $USER $HOME")
    assert result.returncode == 0, result.stderr + lab.log()[-1500:]
    uid = lab.passwd(ALICE)[2]
    assert result.stdout.splitlines() == [ALICE, uid,
                                          f"{ALICE} /home/{ALICE}"]


def test_upn_with_upper_case_domain(lab):
    result = lab.ssh("Emma.Larsen@AADDSContoso.COM", PASSWORD)
    assert result.stdout == "emma.larsen@aaddscontoso.com\n", result.stderr


def test_sam_at_domain(lab):
    result = lab.ssh("bob@aaddscontoso.com", "Bob-Baker-Pass-1")
    assert result.stdout == "bob@contoso.com\n", result.stderr


def test_password_with_blanks_quotes_and_umlauts(lab):
    result = lab.ssh("peggy@aaddscontoso.com", ODD_PASSWORD)
    assert result.stdout == "peggy@aaddscontoso.com\n", result.stderr


def test_keyboard_interactive(lab):
    result = lab.host(
        "sshpass", "-p", PASSWORD, "ssh", "-o",
        "PreferredAuthentications=keyboard-interactive", "-l", ALICE,
        "host1", "id -un")
    assert result.stdout == ALICE + "\n", result.stderr


def test_service_account_in_a_custom_unit(lab):
    for typed in ("svc-backup@aaddscontoso.com", f"{NETBIOS}\\svc-no-upn"):
        result = lab.ssh(typed, "Service-Pass-1")
        assert result.returncode == 0, result.stderr + lab.log()[-1500:]


def test_ids_and_groups_of_the_session(lab):
    result = lab.ssh(ALICE, PASSWORD, "id -Gn")
    assert result.returncode == 0, result.stderr
    assert "kernel team@aaddscontoso.com" in result.stdout
    assert "engineering@aaddscontoso.com" in result.stdout


def test_home_directory_is_private(lab):
    lab.output("rm", "-rf", f"/home/{ALICE}")
    assert lab.ssh(ALICE, PASSWORD).returncode == 0
    found = lab.output("stat", "-c", "%U %a", f"/home/{ALICE}")
    assert found == f"{ALICE} 700\n"


# ---- the ticket ------------------------------------------------------------

def test_ticket_in_the_session(lab):
    result = lab.ssh(ALICE, PASSWORD, "echo $KRB5CCNAME; klist -s && klist")
    assert result.returncode == 0, result.stdout + result.stderr
    name, _, listing = result.stdout.partition("\n")
    assert name, "KRB5CCNAME is not set"
    assert "krbtgt/AADDSCONTOSO.COM@AADDSCONTOSO.COM" in listing
    assert re.search(r"Default principal: alice@AADDSCONTOSO\.COM", listing)


def test_ticket_works_and_belongs_to_the_user(lab):
    result = lab.ssh(ALICE, PASSWORD, "kvno host/host1.aaddscontoso.com && "
                     "f=${KRB5CCNAME#FILE:} && "
                     "{ [ ! -e \"$f\" ] || stat -c '%U %a' \"$f\"; }")
    assert result.returncode == 0, result.stdout + result.stderr
    if ALICE in result.stdout.splitlines()[-1]:
        assert result.stdout.splitlines()[-1] == f"{ALICE} 600"


# ---- refused ---------------------------------------------------------------

@pytest.mark.parametrize("user, password", [
    ("grace@aaddscontoso.com", WRONG),
    ("grace@aaddscontoso.com", ""),
    ("grace@aaddscontoso.com", PASSWORD.lower()),
    ("grace@aaddscontoso.com", PASSWORD + "x" * 3000),
    ("disabled@aaddscontoso.com", PASSWORD),
    ("disabled@aaddscontoso.com", WRONG),
    ("expired@aaddscontoso.com", WRONG),
    ("mustchange@aaddscontoso.com", WRONG),
    ("contractor@aaddscontoso.com", PASSWORD),     # accountExpires is past
    ("nopassword@aaddscontoso.com", PASSWORD),     # withheld
    ("ghost@aaddscontoso.com", PASSWORD),
    ("ghost@contoso.com", PASSWORD),
    ("alice", PASSWORD),                           # bare
    (f"{NETBIOS}\\host1$", PASSWORD),
    ("root@aaddscontoso.com", WRONG),
    ("root", PASSWORD),                            # the directory's password
    ("postgres", PASSWORD),
    ("*@aaddscontoso.com", PASSWORD)])
def test_refused(lab, user, password):
    result = lab.ssh(user, password)
    assert_refused(result)


def authenticate(lab, user, password):
    """The same PAM stack for names that no ssh client would send."""
    return lab.host("pamtester", "sshd", user, "authenticate", "acct_mgmt",
                    input=password + "\n")


@pytest.mark.parametrize("upn", ["driley@aaddscontoso.com",
                                 "wong@aaddscontoso.com"])
def test_generated_name_in_pam(lab, upn):
    """Its parentheses stop the ssh client, not login or a screen locker."""
    typed = f"{NETBIOS}\\{lab.sam(upn)}"
    result = authenticate(lab, typed, PASSWORD)
    assert result.returncode == 0, result.stderr + lab.log()[-1500:]
    assert authenticate(lab, typed, WRONG).returncode != 0


@pytest.mark.parametrize("user", [
    "a)(uid=*@aaddscontoso.com", "alice)(|(uid=*", "alice\\00", " ", "..",
    "../../etc/passwd", "x" * 2000, "x" * 200 + "@aaddscontoso.com",
    f"{NETBIOS}\\*", "alice@aaddscontoso.com\n", "%s%n@aaddscontoso.com"])
def test_odd_names_are_nobody(lab, user):
    result = authenticate(lab, user, PASSWORD)
    assert result.returncode == 1, result.stdout + result.stderr


@pytest.mark.parametrize("user", ["expired@aaddscontoso.com",
                                  "mustchange@aaddscontoso.com"])
def test_expired_password_gives_no_session(lab, user):
    """The right password, which has to be changed elsewhere first."""
    result = lab.ssh(user, PASSWORD)
    assert result.stdout.replace("\r", "").strip() != user
    assert result.returncode != 0


def test_a_name_that_holds_another_name(lab):
    # Dana and Darren share a nickname: each has only the own password.
    assert_refused(lab.ssh("bob@contoso.com", PASSWORD))
    assert lab.ssh("bob@contoso.com", "Bob-Baker-Pass-1").returncode == 0


def test_lockout_counts_one_attempt_a_password(lab):
    user = "lockme@aaddscontoso.com"
    for _ in range(4):
        assert_refused(lab.ssh(user, WRONG))
    # Four wrong ones are under the limit of five, if each counted once.
    assert lab.ssh(user, PASSWORD).returncode == 0, lab.log()[-1500:]


def test_locked_out(lab):
    user = "mallory@aaddscontoso.com"
    assert lab.ssh(user, PASSWORD).returncode == 0
    # Elsewhere: here they would cost time, and one is enough to see that.
    for _ in range(5):
        assert lab.host("kinit", "-E", "-c", "MEMORY:", user,
                        input=WRONG + "\n").returncode != 0
    assert_refused(lab.ssh(user, PASSWORD))
    lab.dc("samba-tool", "user", "unlock", "mallory")
    assert lab.ssh(user, PASSWORD).returncode == 0, lab.log()[-1500:]


def test_no_secret_in_the_logs(lab):
    assert lab.ssh(ALICE, PASSWORD).returncode == 0
    assert_refused(lab.ssh("grace@aaddscontoso.com", WRONG))
    logs = lab.output("sh", "-c",
                      "cat /var/log/dssync.log /var/log/sshd.log")
    assert PASSWORD not in logs and WRONG not in logs


# ---- local accounts, su, sudo ----------------------------------------------

def test_local_login_still_works(lab):
    assert lab.ssh("localuser", "Local-Pass-1").stdout == "localuser\n"
    assert_refused(lab.ssh("localuser", PASSWORD))


def test_local_login_works_without_the_daemon(lab):
    lab.daemon("stop")
    try:
        assert lab.ssh("localuser", "Local-Pass-1").stdout == "localuser\n"
        assert_refused(lab.ssh(ALICE, PASSWORD))
    finally:
        lab.daemon("start")
        lab.sync()


def su(lab, user, password):
    """An ordinary user becomes `user` at a terminal, typing a password."""
    script = """
        set timeout 30
        spawn runuser -u localuser -- su $env(SU_USER) -c {echo I am $(id -un)}
        expect {
            -re "assword:" {}
            default { exit 98 }
        }
        send "$env(SU_PASSWORD)\\r"
        expect eof
        catch wait result
        exit [lindex $result 3]"""
    return lab.host("env", f"SU_USER={user}", f"SU_PASSWORD={password}",
                    "expect", "-c", script)


def test_su_from_an_ordinary_user(lab):
    result = su(lab, ALICE, PASSWORD)
    assert result.returncode == 0, result.stdout
    assert f"I am {ALICE}" in result.stdout.replace("\r", "").splitlines()


def test_su_with_a_wrong_password(lab):
    result = su(lab, "grace@aaddscontoso.com", WRONG)
    assert result.returncode == 1, result.stdout
    assert "Authentication failure" in result.stdout


def test_su_by_root_needs_no_password_and_no_daemon_answer(lab):
    assert lab.output("su", "-", ALICE, "-c", "id -un") == ALICE + "\n"


def test_sudo_asks_for_the_domain_password(lab):
    lab.lab.host.write("/etc/sudoers.d/lab", f'"{ALICE}" ALL=(ALL) ALL\n',
                       0o440)
    try:
        allowed = lab.ssh(ALICE, PASSWORD,
                          f"echo '{PASSWORD}' | sudo -k -S id -un")
        assert allowed.stdout == "root\n", allowed.stderr
        refused = lab.ssh(ALICE, PASSWORD,
                          f"echo '{WRONG}' | sudo -k -S id -un")
        assert refused.returncode != 0 and refused.stdout == ""
    finally:
        lab.output("rm", "/etc/sudoers.d/lab")


def test_login_leaves_the_domain_name_alone(lab):
    # The address names the host, the last @ ends the user: as people type.
    result = lab.host("sshpass", "-p", PASSWORD, "ssh",
                      f"alice@{DOMAIN}@host1", "id -un")
    assert result.stdout == ALICE + "\n", result.stderr
