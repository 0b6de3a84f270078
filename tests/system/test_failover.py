# SPDX-License-Identifier: GPL-3.0-or-later
"""Two domain controllers and a rogue: who is used, who is not, and that
nothing flows back whatever happens."""

import contextlib
import json
import re
import subprocess

import pytest

from dslab_lib.certificates import CA_FILE, Authority
from laboratory import (ADMIN_PASSWORD, DOMAIN, DSLAB, PASSWORD, PATIENCE,
                        SAM_DB, Laboratory, dslab, user_of, wait_until)

AUDIT = "/var/log/samba/audit.log"
ALICE = "alice@aaddscontoso.com"
HOST = "10.99.0.20"
CYCLES = 200

# Answers whatever it is asked as a KDC with KRB-ERROR (RFC 4120 5.9.1), on
# every address, and counts.
FALSE_KDC = """
import socket, sys

def tlv(tag, *parts):
    body = b"".join(parts)
    assert len(body) < 128
    return bytes([tag, len(body)]) + body

def number(tag, value):
    return tlv(tag, tlv(2, bytes([value])))

realm = tlv(0x1b, sys.argv[2].encode())
name = tlv(0x30, number(0xa0, 2), tlv(0xa1, tlv(0x30, tlv(0x1b, b"krbtgt"),
                                                realm)))
error = tlv(0x7e, tlv(
    0x30, number(0xa0, 5), number(0xa1, 30),
    tlv(0xa4, tlv(0x18, b"20260101000000Z")), number(0xa5, 0),
    number(0xa6, int(sys.argv[1])), tlv(0xa9, realm), tlv(0xaa, name)))
listener = socket.create_server(("", 88))
print("listens", flush=True)
while True:
    conn = listener.accept()[0]
    conn.settimeout(5)
    try:
        if conn.recv(4096):
            print("asked", flush=True)
            conn.sendall(len(error).to_bytes(4, "big") + error)
            conn.recv(4096)
    except OSError:
        pass
    conn.close()
"""

# Writes a title of alice's over LDAP, now and then, and each is audited.
WRITER = """
export KRB5CCNAME=FILE:/root/writer.ccache
echo "$PASSWORD" | kinit Administrator >/dev/null || exit 1
turn=0
rm -f /run/writer-stop
while [ ! -e /run/writer-stop ]; do
    printf 'dn: %s\\nchangetype: modify\\nreplace: title\\n' "$2"
    printf 'title: %s %s\\n\\n' "$1" $((turn += 1))
    sleep 3
done | ldapmodify -N -Q -Y GSSAPI -H "ldap://$1.aaddscontoso.com" >/dev/null
"""


@pytest.fixture(scope="module")
def pair(request):
    laboratory = Laboratory(request.config.getoption("--lab") + "-dcs")
    laboratory.down()
    try:
        laboratory.up(request.config.getoption("--build"),
                      options=["--dcs", "2", "--rogue"])
        laboratory.sync()
        yield laboratory
    finally:
        laboratory.down()


def trouble(lab, *words):
    result = dslab(words[0], "--name", lab.name, *words[1:])
    assert result.returncode == 0, result.stderr


def configured(lab, *lines):
    """The daemon anew with more lines in [domain]; what it logged since."""
    return lab.configured("\n".join(lines))


def server(lab):
    return lab.status()["sync"]["server"].partition(".")[0]


ROGUE = f"rogue1.{DOMAIN}"
# By the proof, and by nothing before it: the rogue has an ldap/ principal of
# its own.
UNPROVEN = f"{ROGUE} is no domain controller of {DOMAIN}: the KDC knows no " \
    f"ldap/{ROGUE}/{DOMAIN}"


@contextlib.contextmanager
def rogue_in_dns(lab):
    """It is not told anything meanwhile, let alone believed."""
    asked = lab.lab.machine("rogue1").path("/var/log/rogue.log")
    before = asked.read_text() if asked.exists() else ""
    trouble(lab, "rogue", "add")
    try:
        wait_until("it is in the DNS", lambda: all(
            ROGUE in lab.output("dig", "+short", "SRV",
                                f"_ldap._tcp.{site}dc._msdcs.{DOMAIN}")
            for site in ("", f"{FIRST_SITE}._sites.")))
        yield
        assert (asked.read_text() if asked.exists() else "") == before
    finally:
        trouble(lab, "rogue", "delete")


def until_drawn(lab, seen):
    """Of 65735 draws the rogue wins 65535; then something is seen."""
    def draw():
        lab.sync()
        if not seen():
            lab.daemon("restart")
        return seen()
    wait_until("the rogue comes first", draw)


def test_a_rogue_in_dns_is_refused_and_named(pair):
    account = pair.object("(sAMAccountName=ROGUE1$)", "servicePrincipalName")
    assert f"ldap/{ROGUE}" in account["servicePrincipalName"]
    with rogue_in_dns(pair), configured(pair) as log:
        until_drawn(pair, lambda: any(
            "not used" in line and "warning" in line and UNPROVEN in line
            for line in log().splitlines()))
        assert server(pair) in ("dc1", "dc2")


def test_nor_is_it_used_where_it_is_all_there_is(pair):
    # It passes on what its KDC is asked: all but the proof succeeds.
    with rogue_in_dns(pair), configured(pair, f"servers = {ROGUE}") as log:
        wait_until("status says why", lambda: UNPROVEN in pair.problems())
        assert server(pair) == ""
        assert pair.passwd(ALICE)
        assert UNPROVEN in log()


def test_the_other_goes_on_without_a_full_load(pair, request):
    tenant = pair.default_tenant()
    with configured(pair, f"servers = dc1.{DOMAIN}, dc2.{DOMAIN}") as log:
        pair.sync()
        assert server(pair) == "dc1"
        trouble(pair, "dc", "stop", "dc1")
        try:
            pair.sync()
            assert server(pair) == "dc2"
            assert "full load" not in log()
        finally:
            trouble(pair, "dc", "start", "dc1")
        user_of(tenant, ALICE)["jobTitle"] = "Returned"
        pair.apply(tenant)
        # The first of `servers` is preferred: a full sync goes back to it.
        wait_until("it is used again", lambda: (
            pair.sync("--full"), server(pair) == "dc1")[1])
        assert pair.ctl("user", ALICE)["attributes"]["title"] == "Returned"


def test_a_hung_one_is_left(pair):
    with configured(pair, f"servers = dc1.{DOMAIN}, dc2.{DOMAIN}"):
        pair.sync()
        trouble(pair, "dc", "hang", "dc1")
        try:
            # It takes connections and says nothing; lookups do not care.
            pair.daemon("restart")
            assert pair.passwd(ALICE)
            pair.sync()
            assert server(pair) == "dc2"
        finally:
            trouble(pair, "dc", "resume", "dc1")


# ---- sites ------------------------------------------------------------------

SITE = "EAST"
FIRST_SITE = "Default-First-Site-Name"
SITES = "CN=Sites,CN=Configuration,DC=aaddscontoso,DC=com"
# Where the second one's records are: of everybody, and of the site alone.
EVERYBODY = (f"_msdcs.{DOMAIN}", "_ldap._tcp.dc")
OF_SITE = (f"_msdcs.{DOMAIN}", f"_ldap._tcp.{SITE}._sites.dc")


def on_dc1(lab, *argv):
    lab.dc_output(*argv, f"-UAdministrator%{ADMIN_PASSWORD}")


def record(lab, verb, where):
    on_dc1(lab, "samba-tool", "dns", verb, "dc1", *where, "SRV",
           f"dc2.{DOMAIN} 389 0 100")


def move_dc2(lab, there, to):
    lab.dc_output("ldbrename", "-H", SAM_DB,
                  f"CN=DC2,CN=Servers,CN={there},{SITES}",
                  f"CN=DC2,CN=Servers,CN={to},{SITES}")


def names_dc2(lab, where):
    zone, name = where
    return f"dc2.{DOMAIN}" in lab.output("dig", "+short", "SRV",
                                         f"{name}.{zone}")


def dc2_knows(lab, site):
    """That it is in the site; it is told where it was not yet."""
    dc2 = lab.lab.machine("dc2")
    found = dc2.run(["ldbsearch", "-H", SAM_DB, "-b", SITES, "-s", "sub",
                     "(&(objectClass=server)(cn=DC2))", "dn"]).stdout
    if f"CN=DC2,CN=Servers,CN={site}," in found:
        return True
    dc2.run(["samba-tool", "drs", "replicate", f"dc2.{DOMAIN}",
             f"dc1.{DOMAIN}", SITES.partition(",")[2],
             f"-UAdministrator%{ADMIN_PASSWORD}"], check=False)
    return False


@contextlib.contextmanager
def site_of_its_own(lab):
    """The host and dc2 are in EAST, and only EAST's records name dc2."""
    on_dc1(lab, "samba-tool", "sites", "create", SITE)
    on_dc1(lab, "samba-tool", "sites", "subnet", "create", "10.99.0.0/24",
           SITE)
    move_dc2(lab, FIRST_SITE, SITE)
    record(lab, "add", OF_SITE)
    record(lab, "delete", EVERYBODY)
    try:
        wait_until("the DNS says so", lambda: names_dc2(lab, OF_SITE)
                   and not names_dc2(lab, EVERYBODY))
        wait_until("dc2 knows", lambda: dc2_knows(lab, SITE))
        yield
    finally:
        record(lab, "add", EVERYBODY)
        record(lab, "delete", OF_SITE)
        move_dc2(lab, SITE, FIRST_SITE)
        on_dc1(lab, "samba-tool", "sites", "subnet", "remove", "10.99.0.0/24")
        on_dc1(lab, "samba-tool", "sites", "remove", SITE)
        wait_until("the DNS says so", lambda: names_dc2(lab, EVERYBODY)
                   and not names_dc2(lab, OF_SITE))
        wait_until("dc2 knows", lambda: dc2_knows(lab, FIRST_SITE))


def where(lab):
    status = lab.status()["sync"]
    return (server(lab), status["site"], status["site_from"],
            status["server_site"])


def test_the_site_is_discovered_and_preferred(pair):
    with site_of_its_own(pair):
        trouble(pair, "dc", "stop", "dc2")
        try:
            with configured(pair) as log:
                # Its own site's is down: the other one stays.
                pair.sync()
                assert where(pair) == ("dc1", SITE, "discovered",
                                       FIRST_SITE), log()
                assert f"the server is in {FIRST_SITE}" in pair.output(
                    "dssyncctl", "status")
                trouble(pair, "dc", "start", "dc2")
                # DNS names it for the site alone.
                wait_until("its site's is used", lambda: (
                    pair.sync("--full"), server(pair) == "dc2")[1])
                assert where(pair) == ("dc2", SITE, "discovered", SITE)
                assert f"{SITE} (discovered)" in pair.output(
                    "dssyncctl", "status")
        finally:
            trouble(pair, "dc", "start", "dc2")
        with configured(pair) as log:
            # Known from the start.
            pair.sync()
            assert where(pair) == ("dc2", SITE, "discovered", SITE)
            assert "connected to dc1" not in log()
            # Nor do passwords go to another site.
            assert login(pair) == "dc2"
            assert f"the site {SITE} (discovered)" in pair.host(
                "dssyncctl", "doctor").stdout
        with configured(pair, "site = Nowhere"):
            pair.sync()
            assert where(pair) == ("dc1", "Nowhere", "configured", "")


# ---- password checks -------------------------------------------------------

COMPUTERS = "OU=AADDC Computers," + ",".join(
    f"DC={part}" for part in DOMAIN.split("."))
ADDRESSES = {"dc1": "10.99.0.10", "dc2": "10.99.0.11"}
UNDO = {"stop": "start", "hang": "resume", "cut": "mend"}


def login(lab):
    """Who answers a password check that succeeds, through pam_dssync."""
    before = lab.auth()["checks"]["ok"]
    # Patience with one that is silent, and with its name server, is less.
    result = lab.host("pamtester", "sshd", ALICE, "authenticate",
                      input=PASSWORD + "\n")
    assert result.returncode == 0, result.stderr + lab.log()[-3000:]
    wait_until("the status counts it",
               lambda: lab.auth()["checks"]["ok"] > before)
    address = lab.auth()["kdc"]
    return next(dc for dc in ADDRESSES if ADDRESSES[dc] == address)


def wait_for_dc2(lab):
    dc2 = lab.lab.machine("dc2")
    wait_until("the second one knows the host", lambda: "pwdLastSet"
               in dc2.run(["ldbsearch", "-H", SAM_DB,
                           "(&(sAMAccountName=HOST1$)"
                           "(servicePrincipalName=host/*))",
                           "pwdLastSet"]).stdout)


@contextlib.contextmanager
def unknown_to_dc2(lab):
    """The host's account has another name there, and only there."""
    def outbound(sign):
        on_dc1(lab, "samba-tool", "drs", "options", f"dc2.{DOMAIN}",
               f"--dsa-option={sign}DISABLE_OUTBOUND_REPL")

    def rename(name):
        lab.lab.machine("dc2").run(
            ["ldbmodify", "-H", SAM_DB], input=f"dn: CN=HOST1,{COMPUTERS}\n"
            "changetype: modify\nreplace: sAMAccountName\n"
            f"sAMAccountName: {name}\n")
    wait_for_dc2(lab)
    outbound("+")
    try:
        rename("OTHER1$")
        yield
    finally:
        rename("HOST1$")
        outbound("-")


@pytest.mark.parametrize("fast", ("try", "never"))
def test_a_host_that_one_does_not_know_yet(pair, fast):
    """It has joined a moment ago, and replication is late: the other one
    proves itself, and the password is not sent again."""
    with unknown_to_dc2(pair), configured(
            pair, f"servers = dc2.{DOMAIN}, dc1.{DOMAIN}", "[login]",
            f"fast = {fast}") as log:
        assert login(pair) == "dc1"
        assert "refused" not in log(), log()


@pytest.mark.parametrize("what", UNDO)
def test_another_kdc_answers_within_seconds(pair, what):
    wait_for_dc2(pair)
    first = login(pair)
    trouble(pair, "dc", what, first)
    try:
        second = login(pair)
        assert second != first
    finally:
        trouble(pair, "dc", UNDO[what], first)
    # Sync wants tickets, too: one that hung may answer it only now.
    pair.sync()
    # Whoever answered last is asked first from now on.
    answered = login(pair)
    assert [login(pair) for _ in range(5)] == [answered] * 5


@contextlib.contextmanager
def false_kdc(lab, code):
    """At the rogue's address, in the place of what passes on to the true one;
    yields how often it was asked so far."""
    rogue = lab.lab.machine("rogue1")
    rogue.stop_daemon("rogue")
    log = rogue.path("/run/false-kdc.log")
    log.write_text("")
    rogue.spawn(["/usr/bin/python3", "-c", FALSE_KDC, str(code),
                 DOMAIN.upper()], "/run/false-kdc.log", "false-kdc")
    wait_until("it listens", lambda: "listens" in log.read_text())
    try:
        yield lambda: log.read_text().count("asked")
    finally:
        rogue.stop_daemon("false-kdc")
        rogue.start_rogue(lab.lab.dc)


GENERIC, STARTING = 60, 29


@pytest.mark.parametrize("fast, code", [
    ("try", GENERIC), ("never", GENERIC), ("try", STARTING)])
def test_a_false_kdc_stands_in_nobodys_way(pair, fast, code):
    wait_for_dc2(pair)
    with false_kdc(pair, code) as asked:
        with rogue_in_dns(pair):
            with configured(pair, "[login]", f"fast = {fast}") as log:
                until_drawn(pair, lambda: asked() > 0)
                login(pair)
                login(pair)
                pair.sync("--full")
                named = log().count("10.99.0.66 answers as a KDC")
                # One that starts is no false one.
                assert named == (0 if code == STARTING else 1), log()
        login(pair)
    login(pair)


# ---- channel binding --------------------------------------------------------

# Samba does not look at what a bind inside of TLS is bound to; this one does.
PROVEN = f"ldap/{ROGUE}/{DOMAIN}"


@pytest.fixture
def identity(pair):
    """For the rogue, by that name a controller to the KDC: a keytab, a key,
    its certificate, and another one that is as good for its name."""
    rogue, keytab = pair.lab.machine("rogue1"), "/etc/dc.keytab"
    address = ("dc1", DOMAIN, "rogue1", "A", rogue.address)
    on_dc1(pair, "samba-tool", "dns", "add", *address)
    # The KDC gives out such a ticket for the account of a DC, and no other.
    pair.dc_output("samba-tool", "spn", "add", PROVEN, "DC1$")
    pair.dc_output("samba-tool", "domain", "exportkeytab", keytab,
                   "--principal=DC1$")
    rogue.path(keytab).write_bytes(pair.lab.dc.path(keytab).read_bytes())
    files = [keytab]
    authority = Authority(pair.lab.state_dir)
    for turn in ("shown", "other"):
        for kind, made in zip(("key", "pem"), authority.issue(ROGUE)):
            files.append(f"/etc/ssl/{turn}.{kind}")
            rogue.write(files[-1], made.read_text(), 0o600)
    keytab, key, shown, _, other = files
    try:
        wait_until("it has an address", lambda: pair.output(
            "dig", "+short", ROGUE).strip() == rogue.address)
        yield keytab, key, shown, other
    finally:
        pair.dc_output("rm", keytab)
        pair.dc_output("samba-tool", "spn", "delete", PROVEN, "DC1$")
        on_dc1(pair, "samba-tool", "dns", "delete", *address)


@contextlib.contextmanager
def requires_binding(lab, transport, *files):
    """To the certificate of the last file; yields what was asked so far."""
    rogue = lab.lab.machine("rogue1")
    rogue.stop_daemon("rogue")
    rogue.start_rogue(lab.lab.dc, *files)
    asked = rogue.path("/var/log/rogue.log")
    asked.touch()
    offset = asked.stat().st_size
    try:
        with configured(lab, f"servers = {ROGUE}", f"transport = {transport}",
                        f"ca_file = {CA_FILE}"):
            yield lambda: [json.loads(line) for line in
                           asked.read_text()[offset:].splitlines()]
    finally:
        rogue.stop_daemon("rogue")
        rogue.start_rogue(lab.lab.dc)


@pytest.mark.parametrize("transport", ("ldaps", "starttls"))
def test_the_bind_is_bound_to_the_certificate(pair, identity, transport):
    *own, shown, _ = identity
    with requires_binding(pair, transport, *own, shown, shown) as asked:
        # The bind was taken: it is asked what it holds.
        wait_until("it is asked", lambda: any(
            line.get("asked") == "search" for line in asked()))
        assert any(line.get("bound", "").startswith("HOST1$@")
                   for line in asked()), asked()
        assert not any("refused" in line for line in asked()), asked()


@pytest.mark.parametrize("transport", ("ldaps", "starttls"))
def test_a_man_in_the_middle_gets_no_further(pair, identity, transport):
    # TLS is in order, and ends at another than the one that is bound to.
    with requires_binding(pair, transport, *identity) as asked:
        wait_until("status says why", lambda: all(
            words in pair.problems() for words in (
                f"{ROGUE}: GSSAPI bind: Invalid credentials",
                "channel bindings")))
        assert server(pair) == ""
        assert not any(line.get("asked") == "search" or "bound" in line
                       for line in asked()), asked()
        assert pair.passwd(ALICE)


# ---- one way ----------------------------------------------------------------

def changes(lab, name, offset):
    text = lab.lab.machine(name).path(AUDIT).read_text(
        errors="replace")[offset:]
    decoder, found, at = json.JSONDecoder(), [], text.find("{")
    while at >= 0:
        record, end = decoder.raw_decode(text, at)
        found.append(record["dsdbChange"])
        at = text.find("{", end)
    return found


@contextlib.contextmanager
def writer(lab, name):
    alice = lab.user_object(ALICE)["dn"]
    process = subprocess.Popen(
        [str(DSLAB), "exec", "--name", lab.name, "--on", name, "--", "env",
         f"PASSWORD={ADMIN_PASSWORD}", "sh", "-c", WRITER, "sh", name, alice],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        yield
        assert process.poll() is None, "the writer ended by itself"
    finally:
        lab.lab.machine(name).run(["touch", "/run/writer-stop"])
        process.wait(PATIENCE)


def cycles(lab, count):
    """So many pulls back to back; how many failed."""
    result = lab.shell(f"failed=0; for i in $(seq {count}); do dssyncctl "
                       "sync --wait >/dev/null 2>&1 || "
                       "failed=$((failed + 1)); done; echo $failed",
                       timeout=900)
    return int(re.fullmatch(r"(\d+)\n", result.stdout)[1])


def turn(lab, name):
    """How often that writer had written when the mirror was last told."""
    lab.sync()
    title = lab.ctl("user", ALICE)["attributes"]["title"]
    who, _, number = title.partition(" ")
    return int(number) if who == name else 0


def test_two_hundred_cycles_write_nothing(pair):
    offsets = {name: pair.lab.machine(name).path(AUDIT).stat().st_size
               for name in ("dc1", "dc2")}
    with configured(pair, f"servers = dc1.{DOMAIN}, dc2.{DOMAIN}"):
        pair.sync()
        with writer(pair, "dc1"):
            assert cycles(pair, CYCLES // 2) == 0
            wait_until("it has written", lambda: turn(pair, "dc1") > 0)
        trouble(pair, "dc", "stop", "dc1")
        try:
            with writer(pair, "dc2"):
                # The pull in which the server went may be lost.
                assert cycles(pair, CYCLES // 2) <= 1
                wait_until("it has written",
                           lambda: turn(pair, "dc2") > 0)
            assert server(pair) == "dc2"
        finally:
            trouble(pair, "dc", "start", "dc1")
    for name, offset in offsets.items():
        found = changes(pair, name, offset)
        written = [c for c in found if "title" in c.get("attributes", {})]
        assert written, name
        assert [c for c in found
                if HOST in (c.get("remoteAddress") or "")] == []
