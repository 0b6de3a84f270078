# SPDX-License-Identifier: GPL-3.0-or-later
"""Ids from SID history and from the directory's own numbers, on a host that
has accounts already: what is refused, what is printed, what comes of it.
"""

import json
import uuid

import pytest

from laboratory import DOMAIN, PASSWORD, wait_until

CONF = "/etc/dssync/dssync.conf"
OLIVIA = "olivia@contoso.com"
ALICE = "alice@aaddscontoso.com"
GRACE = "grace@aaddscontoso.com"
ONPREM = "S-1-5-21-1004336348-1177238915-682003330"
FOREST = "S-1-5-21-2153326666-2176343378-3404031434"
HISTORY = f"id_mapping = sidhistory\nsid_history_domains = {ONPREM}, {FOREST}"
NUMBERS = "id_mapping = attribute\nid_range = 10000-2000200000"


def put_config(lab, text):
    lab.lab.host.write(CONF, text)
    lab.daemon("restart")
    wait_until("the daemon takes commands", lambda: lab.status()["monitor"])


def with_identity(lab, identity):
    text = lab.output("cat", CONF).split("\n[identity]")[0].rstrip("\n")
    return f"{text}\n\n[identity]\n{identity}\n"


def renumber(lab, *options):
    return lab.host("dssyncctl", "sync", "--renumber", *options)


# ---- SID history -----------------------------------------------------------


@pytest.fixture(scope="module")
def history(lab):
    """A populated host whose id_mapping was changed: before and after."""
    config = lab.output("cat", CONF)
    before = lab.passwd(OLIVIA)
    logged = len(lab.log())
    put_config(lab, with_identity(lab, HISTORY))
    refused = lab.host("dssyncctl", "sync", "--wait")
    state = {"before": before, "refused": refused,
             "during": lab.passwd(OLIVIA), "problems": lab.problems(),
             "log": lab.log()[logged:]}
    state["renumbered"] = renumber(lab)
    yield state
    put_config(lab, config)
    back = renumber(lab, "--json")
    assert {"kind": "user", "name": OLIVIA, "old": 266801107,
            "new": int(before[2]),
            "objectGUID": lab.ctl("user", OLIVIA)["objectGUID"]} \
        in json.loads(back.stdout)["changes"]
    assert lab.passwd(OLIVIA) == before


def test_changed_mapping_is_refused_without_renumber(history):
    assert history["refused"].returncode == 1
    assert "--renumber" in history["refused"].stderr
    assert history["during"] == history["before"]


@pytest.mark.parametrize("where", ["problems", "log"])
def test_refusal_is_told(history, where):
    assert "id_mapping, id_range or sid_history_domains was changed" \
        in history[where]
    assert "dssyncctl sync --renumber" in history[where]


def test_renumber_prints_what_changed(history):
    assert history["renumbered"].returncode == 0
    old = history["before"][2]
    assert f"{OLIVIA}: {old} -> 266801107" in history["renumbered"].stdout
    assert "alice@" not in history["renumbered"].stdout


@pytest.mark.parametrize("name, uid, gid", [
    (OLIVIA, 266801107, 266800513), ("oscar@contoso.com", 266801108,
                                     266800513),
    ("frank@fabrikam.com", 770801107, 770800513)])
def test_ids_are_those_of_the_other_domain(lab, history, name, uid, gid):
    entry = lab.passwd(name)
    assert (int(entry[2]), int(entry[3])) == (uid, gid)
    assert lab.passwd(str(uid)) == entry
    group = lab.group(str(gid))
    assert group[0].endswith(f"-513@{DOMAIN}")
    assert lab.group(group[0]) == group
    assert f"domain users@{DOMAIN}" in lab.group_names(name)


def test_cloud_accounts_keep_their_ids(lab, history):
    entry = lab.passwd("alice@aaddscontoso.com")
    assert int(entry[3]) not in (266800513, 770800513)


def test_group_keeps_its_gid_too(lab, history):
    assert lab.group(f"fileserver users@{DOMAIN}")[2] == "266801200"


def test_user_shows_both_sids_and_both_ids(lab, history):
    user = lab.ctl("user", OLIVIA)
    assert {(i["sid"], i["id"]) for i in user["ids"]} == {
        (f"{ONPREM}-1107", 266801107),
        (user["objectSid"], int(history["before"][2]))}
    text = lab.output("dssyncctl", "user", OLIVIA)
    assert f"{ONPREM}-1107 (SID history)" in text
    assert f"{user['objectSid']} (objectSid)" in text


def test_a_lost_mirror_changes_no_id(lab, history):
    config = lab.output("cat", CONF)
    before = lab.output("getent", "-s", "dssync", "passwd")
    lab.daemon("stop")
    lab.shell("rm -rf /var/lib/dssync/store/*")
    put_config(lab, with_identity(lab, "id_mapping = sid"))
    # What was given out is known from what is published.
    refused = lab.host("dssyncctl", "sync", "--wait")
    assert refused.returncode == 1
    assert "--renumber" in refused.stderr
    assert lab.output("getent", "-s", "dssync", "passwd") == before
    put_config(lab, config)
    lab.sync()
    assert lab.output("getent", "-s", "dssync", "passwd") == before


# ---- uidNumber and gidNumber -------------------------------------------------


def by_age(lab, *names):
    """Users in the order in which they claim: created, then objectGUID."""
    def age(name):
        entry = lab.ldap_user(name, "whenCreated", "objectGUID")
        return entry["whenCreated"][0], \
            uuid.UUID(entry["objectGUID"][0]).bytes_le
    return sorted(names, key=age)


@pytest.fixture(scope="module")
def numbers(lab):
    """Some accounts with numbers, set where an administrator sets them."""
    config = lab.output("cat", CONF)
    older, newer = by_age(lab, ALICE, GRACE)
    before = lab.passwd(older)
    users = {older: {"uidNumber": 10001},
             "driley@aaddscontoso.com": {"uidNumber": 10002,
                                         "gidNumber": 20001},
             newer: {"uidNumber": 10001},
             "heidi@contoso.com": {"uidNumber": 62000},
             "ivan@contoso.onmicrosoft.com": {"uidNumber": 9999},
             "bob@contoso.com": {"uidNumber": -7},
             "lopez@contoso.com": {"uidNumber": 10003, "gidNumber": 20009}}
    groups = {"Domain Users": {"gidNumber": 10513},
              "Kernel Team": {"gidNumber": 20001},
              "Platform Team": {"gidNumber": 20002}}
    entries = [(lab.ldap_user(name, "uidNumber"), values)
               for name, values in users.items()]
    entries += [(lab.ldap_group(name, "gidNumber"), values)
                for name, values in groups.items()]
    for entry, values in entries:
        lab.set(entry, **values)
    put_config(lab, with_identity(lab, NUMBERS))
    result = renumber(lab, "--json")
    assert result.returncode == 0, result.stderr
    yield {"changes": json.loads(result.stdout)["changes"], "before": before,
           "older": older, "newer": newer}
    for entry, values in entries:
        lab.set(entry, **dict.fromkeys(values))
    put_config(lab, config)
    assert renumber(lab).returncode == 0
    assert lab.passwd(older) == before


def test_numbers_are_the_ids(lab, numbers):
    entry = lab.passwd(numbers["older"])
    assert (entry[2], entry[3]) == ("10001", "10513")
    assert lab.passwd("10001") == entry
    assert lab.group("20002")[0] == f"platform team@{DOMAIN}"


def test_own_gid_number_is_the_primary_group(lab, numbers):
    assert lab.passwd("driley@aaddscontoso.com")[2:4] == ["10002", "20001"]
    # A member of it, too, so that it nests as ever.
    assert lab.group_names("driley@aaddscontoso.com") == {
        f"{name}@{DOMAIN}" for name in ("kernel team", "platform team",
                                        "domain users")}


def test_only_what_has_a_number_is_there(lab, numbers):
    lines = lab.output("getent", "-s", "dssync", "passwd").splitlines()
    assert {line.split(":")[2] for line in lines} == {"10001", "10002"}
    lines = lab.output("getent", "-s", "dssync", "group").splitlines()
    assert {line.split(":")[2] for line in lines} == {
        "10513", "20001", "20002"}


@pytest.mark.parametrize("name, part", [
    ("olivia@contoso.com", "it has no uidNumber"),
    ("heidi@contoso.com", "reserved for the system"),
    ("ivan@contoso.onmicrosoft.com", "outside id_range"),
    ("bob@contoso.com", "its uidNumber is no number"),
    ("lopez@contoso.com", "has its gidNumber 20009"),
    (f"all staff@{DOMAIN}", "it has no gidNumber")])
def test_explain_says_what_is_missing(lab, numbers, name, part):
    result = lab.host("dssyncctl", "explain", name)
    assert result.returncode == 1
    assert part in result.stdout, result.stdout


def test_explain_says_who_has_the_number(lab, numbers):
    result = lab.host("dssyncctl", "explain", numbers["newer"])
    assert result.returncode == 1
    assert f'the older object "{numbers["older"].split("@")[0]}" ' \
        f'({numbers["older"]}, created ' in result.stdout, result.stdout


def test_renumber_says_who_has_no_id_any_more(numbers):
    changes = {change["name"]: change for change in numbers["changes"]}
    assert changes[numbers["older"]]["old"] == int(numbers["before"][2])
    assert changes[numbers["older"]]["new"] == 10001
    assert changes[OLIVIA]["new"] is None


def test_a_new_number_is_taken_over(lab, numbers):
    older, newer = numbers["older"], numbers["newer"]
    entry = lab.ldap_user(older, "uidNumber")
    lab.set(entry, uidNumber=10077)
    lab.sync()
    assert lab.passwd(older)[2] == "10077"
    # ... and the one that was freed is the other's.
    assert lab.passwd("10001")[0] == newer
    lab.set(entry, uidNumber=10001)
    lab.sync()
    assert lab.passwd(older)[2] == "10001"
    assert lab.passwd(newer) is None


def test_who_has_no_number_cannot_log_in(lab, numbers):
    older = numbers["older"]
    assert lab.ssh(OLIVIA, PASSWORD).returncode != 0
    assert lab.ssh(older, PASSWORD).stdout.strip() == older
