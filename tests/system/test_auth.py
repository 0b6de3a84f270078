# SPDX-License-Identifier: GPL-3.0-or-later
"""Who a password proves: the object that the mirror means, or nobody.

The mirror is held still (dssync-sync is stopped in its tracks) while the
directory changes under it, as it does between a sync and a login.
"""

import json
import re
from contextlib import contextmanager

import pytest

from laboratory import DOMAIN, PASSWORD, wait_until

CAROL = f"carol.change@{DOMAIN}"
DAVE_PASSWORD = "Dave-Daring-Pass-1"
REFUSED = 5  # sshpass's word for it


def directory(lab, code, *args):
    """Python on the domain controller, with `sam` and `args`."""
    setup = ("import json, sys\n"
             "from dslab_lib.domain import open_sam\n"
             "sam = open_sam()\n"
             "args = json.loads(sys.argv[1])\n"
             "def dn_of(name):\n"
             "    found = sam.search(sam.domain_dn(), 2,\n"
             "                       f'(sAMAccountName={name})')\n"
             "    return found[0].dn if found else None\n"
             "def set_upn(name, upn):\n"
             "    sam.modify_ldif(f'dn: {dn_of(name)}\\nchangetype: modify\\n'\n"
             "        + (f'replace: userPrincipalName\\n'\n"
             "           f'userPrincipalName: {upn}\\n' if upn else\n"
             "           'delete: userPrincipalName\\n'))\n"
             "def new(name, password, upn=None):\n"
             "    sam.newuser(name, password, setpassword=True)\n"
             "    set_upn(name, upn)\n")
    result = lab.dc("env", "PYTHONPATH=/run/dslab",
                    "PYTHONDONTWRITEBYTECODE=1", "/usr/bin/python3", "-c",
                    setup + code, json.dumps(args))
    assert result.returncode == 0, result.stderr


@contextmanager
def still_mirror(lab):
    """No sync while the block runs."""
    def stands():
        """All there are; one that looked a name up may have gone."""
        pids = lab.pids("dssync-sync")
        sent = lab.host("kill", "-STOP", *map(str, pids))
        return sent.returncode == 0 and lab.pids("dssync-sync") == pids
    wait_until("the mirror stands still", stands)
    try:
        yield
    finally:
        lab.host("kill", "-CONT", *map(str, lab.pids("dssync-sync")))


@pytest.fixture
def carol(lab):
    """carol has a UPN; dave is another account with another password."""
    directory(lab, "new('carolc', args[0], args[1])\n"
              "new('daved', args[2], 'dave.daring@' + args[3])\n",
              PASSWORD, CAROL, DAVE_PASSWORD, DOMAIN)
    try:
        lab.sync()
        assert lab.ssh(CAROL, PASSWORD).stdout == CAROL + "\n", lab.log()
        yield
    finally:
        directory(lab, "for name in ('carolc', 'daved', args[0]):\n"
                  "    if dn_of(name):\n"
                  "        sam.delete(dn_of(name))\n", CAROL)
        lab.sync("--full")


def last_decision(lab):
    return [line for line in lab.log().splitlines()
            if "audit event=auth" in line][-1]


def test_upn_that_moved_to_another_account(lab, carol):
    with still_mirror(lab):
        directory(lab, "set_upn('carolc', None)\n"
                  "set_upn('daved', args[0])\n", CAROL)
        result = lab.ssh(CAROL, DAVE_PASSWORD)
        assert (result.returncode, result.stdout) == (REFUSED, "")
        assert 'result="denied"' in last_decision(lab)
        assert "the KDC authenticated daved@" in last_decision(lab)


def test_new_account_under_the_old_names(lab, carol):
    """Only the SID tells it from the account that the mirror has."""
    with still_mirror(lab):
        directory(lab, "sam.delete(dn_of('carolc'))\n"
                  "new('carolc', args[0], args[1])\n", DAVE_PASSWORD, CAROL)
        result = lab.ssh(CAROL, DAVE_PASSWORD)
        assert (result.returncode, result.stdout) == (REFUSED, "")
        assert 'result="denied"' in last_decision(lab)
        assert "authenticated the object S-1-5-21-" in last_decision(lab)


def test_account_name_spelled_like_a_upn(lab, carol):
    directory(lab, "dn = dn_of('daved')\n"
              "sam.modify_ldif(f'dn: {dn}\\nchangetype: modify\\n'\n"
              "    'replace: sAMAccountName\\n'\n"
              "    f'sAMAccountName: {args[0]}\\n')\n"
              "set_upn(args[0], None)\n", CAROL)
    # Both have a claim on the name; here the KDC prefers the UPN ...
    assert lab.ssh(CAROL, DAVE_PASSWORD).returncode == REFUSED
    assert lab.ssh(CAROL, PASSWORD).stdout == CAROL + "\n"
    # ... and nothing changes when no account has that UPN any more.
    with still_mirror(lab):
        directory(lab, "set_upn('carolc', None)\n")
        assert lab.ssh(CAROL, DAVE_PASSWORD).returncode == REFUSED
        assert 'result="ok"' not in last_decision(lab)


def test_computer_account_without_pac(lab, carol):
    """Fail closed: no SID, no login."""
    flag = ("dn = dn_of('HOST1$')\n"
            "uac = int(sam.search(dn, 0)[0]['userAccountControl'][0])\n"
            "sam.modify_ldif(f'dn: {dn}\\nchangetype: modify\\n'\n"
            "    'replace: userAccountControl\\n'\n"
            "    f'userAccountControl: {uac ^ 0x2000000}\\n')\n")
    directory(lab, flag)
    try:
        assert lab.ssh(CAROL, PASSWORD).returncode == REFUSED
        assert 'result="denied"' in last_decision(lab)
        assert "has no PAC" in last_decision(lab)
    finally:
        directory(lab, flag)
    assert lab.ssh(CAROL, PASSWORD).stdout == CAROL + "\n"


# ---- FAST ------------------------------------------------------------------

ALICE = f"alice@{DOMAIN}"
MARK = "/var/lib/dssync/auth/fast.AADDSCONTOSO.COM"


@contextmanager
def config(lab, old, new):
    """synccached with something else in its configuration, and in sync."""
    with lab.configured(new, instead_of=old):
        lab.sync()
        yield


def fast(lab, word):
    return config(lab, "", f"\n[login]\nfast = {word}\n")


def test_domain_speaks_fast(lab):
    assert lab.ssh(ALICE, PASSWORD).stdout == ALICE + "\n"
    lab.output("test", "-e", MARK)


@pytest.mark.parametrize("word", ["demand", "never"])
def test_fast_by_order(lab, word):
    with fast(lab, word):
        assert lab.ssh(ALICE, PASSWORD).stdout == ALICE + "\n", lab.log()
        assert lab.ssh(ALICE, "Wrong-Horse-1").returncode == REFUSED
        assert 'result="bad-password"' in last_decision(lab)


def pamtester(lab, user, password):
    return lab.host("pamtester", "sshd", user, "authenticate",
                    input=password + "\n")


# In armour the KDC says no more than "revoked"; the mirror knows why.
@pytest.mark.parametrize("word", ["demand", "never"])
def test_states_with_and_without_armour(lab, word):
    must_change = "new-password" if word == "demand" else "denied"
    with fast(lab, word):
        for name, result in (("disabled", "disabled"),
                             ("contractor", "expired"),
                             ("mustchange", must_change),
                             ("expired", must_change)):
            user = f"{name}@{DOMAIN}"
            pamtester(lab, user, PASSWORD)
            assert f'result="{result}"' in last_decision(lab), user
            pamtester(lab, user, "Wrong-Horse-1")
            assert 'result="bad-password"' in last_decision(lab), user


def test_armour_that_the_kdc_rejects_is_renewed(lab):
    """Its key has changed so often that it has forgotten the old ones."""
    assert lab.ssh(ALICE, PASSWORD).returncode == 0
    for number in (1, 2, 3, 4):
        directory(lab, "sam.setpassword('(sAMAccountName=krbtgt)', args[0])\n",
                  f"New-Krbtgt-Key-{number}")
    assert lab.ssh(ALICE, "Wrong-Horse-1").returncode == REFUSED
    assert 'result="bad-password"' in last_decision(lab)
    assert lab.ssh(ALICE, PASSWORD).stdout == ALICE + "\n", lab.log()


# ---- KDCs that are away -----------------------------------------------------

GHOST = "10.99.0.177"


def kdc_ms(lab):
    """How long the last decision had to wait for a KDC."""
    return int(re.search(r" kdc_ms=\"(\d+)\"", last_decision(lab))[1])


def test_kdc_that_swallows_everything(lab):
    """The first of two is an address at which nobody is: bounded, and paid
    for once, by a login or by the mirror's ticket before it."""
    hosts = lab.lab.host.path("/etc/hosts")
    before = hosts.read_text()
    hosts.write_text(before + f"{GHOST} ghost.{DOMAIN}\n")
    route = f"dev=$(ip -o route get {GHOST} | sed 's/.* dev //; s/ .*//'); "
    lab.shell(route + f"ip neigh replace {GHOST} lladdr 02:00:00:00:00:77 "
              "dev $dev nud permanent")
    try:
        with config(lab, f"name = {DOMAIN}\n", f"name = {DOMAIN}\n"
                    f"servers = ghost.{DOMAIN}, dc1.{DOMAIN}\n"):
            assert lab.host("timeout", "1", "bash", "-c",
                            f"</dev/tcp/{GHOST}/88").returncode == 124
            assert lab.ssh(ALICE, PASSWORD).stdout == ALICE + "\n", lab.log()
            assert kdc_ms(lab) < 16000

            # The next one begins with the one that answered; the other
            # costs two seconds.
            def quickly():
                result = lab.ssh(ALICE, PASSWORD)
                assert result.stdout == ALICE + "\n", lab.log()
                return kdc_ms(lab) < 2000
            wait_until("it is not asked first any more", quickly)
    finally:
        hosts.write_text(before)
        lab.shell(route + f"ip neigh del {GHOST} dev $dev")


def test_no_kdc(lab):
    assert lab.ssh(ALICE, PASSWORD).returncode == 0
    lab.samba("stop")
    try:
        assert pamtester(lab, ALICE, PASSWORD).returncode != 0
        assert 'result="unavailable"' in last_decision(lab)
        assert kdc_ms(lab) < 16000
    finally:
        lab.samba("start")
        lab.sync()
    assert lab.ssh(ALICE, PASSWORD).returncode == 0
