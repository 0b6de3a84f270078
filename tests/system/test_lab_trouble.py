# SPDX-License-Identifier: GPL-3.0-or-later
"""Two domain controllers, two hosts and a rogue: each trouble that the lab
can make does what it says, as ordinary LDAP and Kerberos tools see it.

dssync is not installed here.
"""

import json
import time

import pytest

from laboratory import (ADMIN_PASSWORD, DOMAIN, DOMAIN_DN, Laboratory, dslab,
                        user_of, wait_until)

CA = "/etc/ssl/dslab-ca.pem"
ALICE = "alice@aaddscontoso.com"


@pytest.fixture(scope="module")
def pair(request):
    laboratory = Laboratory(request.config.getoption("--lab") + "-pair")
    laboratory.down()
    try:
        laboratory.up(None, options=["--dcs", "2", "--hosts", "2",
                                     "--rogue"])
        laboratory.output("sh", "-c", f"echo {ADMIN_PASSWORD} | "
                          "kinit Administrator >/dev/null")
        yield laboratory
    finally:
        laboratory.down()


def trouble(lab, *words):
    result = dslab(words[0], "--name", lab.name, *words[1:])
    assert result.returncode == 0, result.stderr


def answer(lab, dc, *words, seconds=3, host="host1"):
    """ldapsearch on a host, of one DC; how it ended and how long it took."""
    started = time.monotonic()
    result = lab.lab.machine(host).run(
        ["timeout", str(seconds), "ldapsearch", "-x", "-LLL", "-H",
         f"ldap://{dc}.{DOMAIN}", "-s", "base", "-b", "", *words],
        check=False)
    return result, time.monotonic() - started


def answers(lab, dc):
    return answer(lab, dc, "dnsHostName", seconds=30)[0].returncode == 0


def title_on(lab, dc):
    result = lab.host("ldapsearch", "-N", "-Q", "-Y", "GSSAPI", "-LLL", "-H",
                      f"ldap://{dc}.{DOMAIN}", "-b", DOMAIN_DN,
                      f"(userPrincipalName={ALICE})", "title")
    assert result.returncode == 0, result.stderr
    return [line for line in result.stdout.splitlines()
            if line.startswith("title")]


# ---- two domain controllers -------------------------------------------------

def test_both_are_in_dns(pair):
    found = pair.output("dig", "+short", "SRV", f"_ldap._tcp.{DOMAIN}")
    assert sorted(line.split()[3] for line in found.splitlines()) == [
        f"dc1.{DOMAIN}.", f"dc2.{DOMAIN}."]
    for server in ("10.99.0.10", "10.99.0.11"):
        assert pair.output("dig", "+short", f"@{server}",
                           f"dc2.{DOMAIN}") == "10.99.0.11\n"


def test_a_change_is_on_the_other(pair):
    tenant = pair.default_tenant()
    user_of(tenant, ALICE)["jobTitle"] = "Chief Engineer"
    pair.apply(tenant)
    for dc in ("dc1", "dc2"):
        wait_until(f"{dc} has it", lambda: title_on(pair, dc) == [
            "title: Chief Engineer"])
    # And the other way round: what an administrator writes on the second.
    result = pair.lab.host.run(
        ["ldapmodify", "-N", "-Q", "-Y", "GSSAPI", "-H",
         f"ldap://dc2.{DOMAIN}"], input=f"dn: CN=Alice Archer,OU=AADDC Users,"
        f"{DOMAIN_DN}\nchangetype: modify\nreplace: title\ntitle: Two\n")
    assert result.returncode == 0
    wait_until("dc1 has it", lambda: title_on(pair, "dc1") == ["title: Two"])
    assert pair.apply(pair.default_tenant()) == [
        f"changed {ALICE} (alice): title"]


@pytest.mark.parametrize("dc, other", [("dc1", "dc2"), ("dc2", "dc1")])
def test_stop_and_start(pair, dc, other):
    trouble(pair, "dc", "stop", dc)
    try:
        result, _ = answer(pair, dc)
        assert result.returncode == 255     # refused, not timed out
        assert "bind" in result.stderr      # not even taken
        assert answers(pair, other)
        kinit = pair.host("sh", "-c", f"echo Correct-Horse-1 | kinit -c "
                          f"MEMORY: -E {ALICE}")
        assert kinit.returncode == 0, kinit.stderr
    finally:
        trouble(pair, "dc", "start", dc)
    assert answers(pair, dc)


def test_hang_takes_connections_and_says_nothing(pair):
    trouble(pair, "dc", "hang", "dc2")
    try:
        connect = pair.host("bash", "-c",
                            "exec 3<>/dev/tcp/10.99.0.11/389")
        assert connect.returncode == 0
        result, seconds = answer(pair, "dc2")
        assert result.returncode == 124 and seconds > 2.5
        assert answers(pair, "dc1")
    finally:
        trouble(pair, "dc", "resume", "dc2")
    assert answers(pair, "dc2")


def test_a_hung_one_can_be_stopped(pair):
    trouble(pair, "dc", "hang", "dc2")
    trouble(pair, "dc", "stop", "dc2")
    trouble(pair, "dc", "start", "dc2")
    assert answers(pair, "dc2")


def test_cut_off(pair):
    trouble(pair, "dc", "cut", "dc2")
    try:
        ping = pair.host("bash", "-c", "exec 3<>/dev/tcp/10.99.0.11/389",
                         timeout=5)
        assert ping.returncode != 0
        assert answer(pair, "dc2")[0].returncode != 0
        assert answers(pair, "dc1")
    finally:
        trouble(pair, "dc", "mend", "dc2")
    wait_until("it is back", lambda: answers(pair, "dc2"))


def test_swallow_loses_every_answer(pair):
    trouble(pair, "dc", "swallow", "dc2")
    try:
        result, seconds = answer(pair, "dc2")
        assert result.returncode == 124 and seconds > 2.5
        assert answers(pair, "dc1")
    finally:
        trouble(pair, "dc", "mend", "dc2")
    wait_until("it is back", lambda: answers(pair, "dc2"))


def test_slow(pair):
    def read_all(dc):
        started = time.monotonic()
        result = pair.host("ldapsearch", "-N", "-Q", "-Y", "GSSAPI", "-LLL",
                           "-H", f"ldap://{dc}.{DOMAIN}", "-b",
                           f"OU=AADDC Users,{DOMAIN_DN}")
        assert result.returncode == 0, result.stderr
        return time.monotonic() - started, len(result.stdout)

    _, size = read_all("dc2")
    trouble(pair, "dc", "slow", "dc2", "128kbit")
    try:
        slow, _ = read_all("dc2")
        assert slow > size / 16000 / 2 > 1      # 16,000 bytes a second
        wait_until("dc1 is not slow", lambda: read_all(
            "dc1")[0] < slow / 2)
    finally:
        trouble(pair, "dc", "mend", "dc2")
    wait_until("it is not slow", lambda: read_all("dc2")[0] < slow / 2)


def test_clock(pair):
    def seconds_off():
        result, _ = answer(pair, "dc2", "currentTime", seconds=30)
        stamp = result.stdout.split("currentTime: ")[1].split(".")[0]
        told = time.mktime(time.strptime(stamp, "%Y%m%d%H%M%S"))
        return told - time.mktime(time.gmtime())

    assert abs(seconds_off()) < 60
    trouble(pair, "dc", "clock", "dc2", "+3600")
    try:
        assert abs(seconds_off() - 3600) < 60
        # A KDC an hour off takes no timestamp of ours.
        kinit = pair.host(
            "bash", "-c", "sed '/dns_lookup_kdc/s/.*/kdc_timesync = 0/' "
            "/etc/krb5.conf >/tmp/k && printf '[realms]\n"
            f"{DOMAIN.upper()} = {{\nkdc = 10.99.0.11\n}}\n' >>/tmp/k && "
            "echo Correct-Horse-1 | KRB5_CONFIG=/tmp/k kinit -c MEMORY: "
            f"alice@{DOMAIN.upper()}")
        assert "skew" in kinit.stderr.lower(), kinit.stderr
    finally:
        trouble(pair, "dc", "clock", "dc2", "0")
    assert abs(seconds_off()) < 60


# ---- LDAPS, keys, hosts, the rogue ------------------------------------------

@pytest.mark.parametrize("dc", ["dc1", "dc2"])
def test_ldaps_with_the_labs_authority(pair, dc):
    def search(host, ca):
        return pair.host("env", f"LDAPTLS_CACERT={ca}", "ldapsearch", "-x",
                         "-LLL", "-H", f"ldaps://{host}", "-s", "base", "-b",
                         "", "dnsHostName", timeout=60)
    good = search(f"{dc}.{DOMAIN}", CA)
    assert good.returncode == 0 and f"{dc}.{DOMAIN}" in good.stdout
    assert search(f"{dc}.{DOMAIN}",
                  "/etc/ssl/certs/ca-certificates.crt").returncode != 0
    # The name in it counts.
    address = {"dc1": "10.99.0.10", "dc2": "10.99.0.11"}[dc]
    assert search(address, CA).returncode != 0


def test_expired_and_renewed_host_key(pair):
    def kinit():
        return pair.host("kinit", "-k", "-c", "MEMORY:",
                         "HOST1$").returncode == 0
    assert kinit()
    before = pair.output("klist", "-k")
    trouble(pair, "key", "expire", "host1")
    wait_until("both know", lambda: not any(kinit() for _ in range(4)))
    assert pair.output("klist", "-k") == before
    trouble(pair, "key", "renew", "host1")
    wait_until("both know", lambda: all(kinit() for _ in range(4)))
    assert pair.output("klist", "-k") != before


def test_renewed_key_without_an_expired_one(pair):
    def highest():
        return max(int(line.split()[0]) for line in pair.output(
            "klist", "-k").splitlines() if line.split()[0].isdigit())
    before = highest()
    trouble(pair, "key", "renew", "host1")
    assert highest() > before
    wait_until("it works", lambda: pair.host(
        "kinit", "-k", "-c", "MEMORY:", "HOST1$").returncode == 0)


def test_second_host(pair):
    second = pair.lab.machine("host2")
    assert second.run(["hostname"]).stdout == "host2\n"
    assert second.run(["kinit", "-k", "HOST2$"]).returncode == 0
    found = pair.ldapsearch("(sAMAccountName=HOST2$)", "dNSHostName")
    assert found[0]["dNSHostName"] == [f"host2.{DOMAIN}"]
    assert found[0]["dn"] == f"CN=HOST2,OU=AADDC Computers,{DOMAIN_DN}"
    result = second.run(["sshpass", "-p", "Local-Pass-1", "ssh",
                         "localuser@10.99.0.20", "hostname"])
    assert result.stdout == "host1\n"


def test_rogue_answers_on_the_ldap_port(pair):
    rogue = pair.ldapsearch("(sAMAccountName=ROGUE1$)", "primaryGroupID")
    assert rogue[0]["primaryGroupID"] == ["515"]    # a member, not a DC
    result, _ = answer(pair, "rogue1", "defaultNamingContext")
    if result.returncode != 0:      # no A record yet: by its address
        result = pair.host("ldapsearch", "-x", "-LLL", "-H",
                           "ldap://10.99.0.66", "-s", "base", "-b", "",
                           "defaultNamingContext")
    assert DOMAIN_DN in result.stdout
    log = pair.lab.machine("rogue1").path("/var/log/rogue.log").read_text()
    assert {json.loads(line)["asked"] for line in log.splitlines()} >= {
        "bind", "search"}


def test_rogue_in_dns(pair):
    def servers():
        found = pair.output("dig", "+short", "@10.99.0.10", "SRV",
                            f"_ldap._tcp.{DOMAIN}")
        return {line.split()[3] for line in found.splitlines()}
    assert f"rogue1.{DOMAIN}." not in servers()
    trouble(pair, "rogue", "add")
    try:
        wait_until("it is there", lambda: f"rogue1.{DOMAIN}." in servers())
        # What it cannot get: the service ticket of a domain controller.
        assert pair.host("kvno", f"ldap/dc1.{DOMAIN}/{DOMAIN}"
                         ).returncode == 0
        assert pair.host("kvno", f"ldap/rogue1.{DOMAIN}/{DOMAIN}"
                         ).returncode != 0
    finally:
        trouble(pair, "rogue", "delete")
    wait_until("it is gone", lambda: f"rogue1.{DOMAIN}." not in servers())


@pytest.mark.parametrize("words, message", [
    (("dc", "stop", "dc9"), "has no dc9"),
    (("dc", "stop", "host1"), "no domain controller"),
    (("dc", "clock", "dc1"), "expected seconds"),
    (("dc", "slow", "dc1", "fast"), "expected a rate"),
    (("exec", "--on", "host7", "--", "true"), "has no host7")])
def test_mistakes_are_named(pair, words, message):
    result = dslab(words[0], "--name", pair.name, *words[1:])
    assert result.returncode == 1 and message in result.stderr
    assert "Traceback" not in result.stderr
