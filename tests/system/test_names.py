# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and the shield: what the directory calls itself gains nothing here.

A cloud user creates groups with the names of privilege and joins them.  Real
sudo, id, chown and group-owned files decide, with the defaults and with every
opt-in that drops the domain from a name.
"""

import pytest

from laboratory import DOMAIN, NETBIOS, group_of, wait_until

CONF = "/etc/dssync/dssync.conf"
MALLORY = "mallory@aaddscontoso.com"
EVIL = ["sudo", "wheel", "docker", "0", "#0", "%wheel", "localteam"]
RULES = """\
%sudo ALL=(ALL:ALL) NOPASSWD: ALL
%wheel ALL=(ALL:ALL) NOPASSWD: ALL
%docker ALL=(ALL:ALL) NOPASSWD: ALL
%localteam ALL=(ALL:ALL) NOPASSWD: ALL
%0 ALL=(ALL:ALL) NOPASSWD: ALL
%#0 ALL=(ALL:ALL) NOPASSWD: ALL
\\%wheel ALL=(ALL:ALL) NOPASSWD: ALL
#0 ALL=(ALL:ALL) NOPASSWD: ALL
"""


def configure(lab, identity):
    """Replaces [identity] by these lines, and publishes with them."""
    text = lab.output("cat", CONF).split("\n[identity]")[0]
    lab.lab.host.write(CONF, f"{text}\n[identity]\n{identity}\n"
                       if identity else text + "\n")
    lab.daemon("restart")
    lab.sync()


@pytest.fixture(scope="module")
def evil(lab):
    """The tenant with mallory's groups; rules and files that name them."""
    config = lab.output("cat", CONF)
    tenant = lab.default_tenant()
    # Their sAMAccountNames would otherwise be taken, and generated.
    tenant["users"] = [user for user in tenant["users"]
                       if user["mailNickname"] not in EVIL]
    have = {group["displayName"] for group in tenant["groups"]}
    tenant["groups"] += [{"displayName": name, "members": [MALLORY]}
                         for name in EVIL if name not in have]
    tenant["groups"].append({"displayName": "Late Comers",
                             "members": [MALLORY]})
    for name in ("sudo", "docker"):
        assert MALLORY in group_of(tenant, name)["members"]
    lab.output("groupadd", "localteam")
    lab.output("groupadd", "-f", "docker")
    lab.lab.host.write("/etc/sudoers.d/evil", RULES, 0o440)
    lab.output("visudo", "-cf", "/etc/sudoers.d/evil")
    lab.output("install", "-d", "/srv/evil")
    for name in ("sudo", "docker", "localteam", "root"):
        path = f"/srv/evil/{name}"
        lab.lab.host.write(path, "secret of a local group\n", 0o640)
        lab.output("chown", f"root:{name}", path)
    lab.apply(tenant)
    lab.sync()
    yield lab
    lab.lab.host.write(CONF, config)
    lab.output("rm", "-rf", "/etc/sudoers.d/evil", "/srv/evil")
    lab.output("groupdel", "localteam")
    lab.apply(lab.default_tenant())
    lab.daemon("restart")
    lab.sync("--full")


MODES = {
    "defaults": "",
    "group_format": "group_format = sam",
    "name_format": "name_format = sam",
    "both": "name_format = sam\ngroup_format = sam\nshort_names = sam",
    "blanks": "name_format = sam\ngroup_format = sam\n"
              "space_replacement = -",
}


@pytest.fixture(scope="module", params=MODES)
def mode(evil, request):
    configure(evil, MODES[request.param])
    return request.param


def who(lab):
    return lab.passwd(f"{NETBIOS}\\mallory")[0]


def test_name_is_what_was_asked_for(evil, mode):
    bare = mode in ("name_format", "both", "blanks")
    assert who(evil) == ("mallory" if bare else MALLORY)


def test_groups_are_all_there_but_no_local_name(evil, mode):
    groups = evil.group_names(who(evil))
    assert not {name.lower() for name in groups} & set(EVIL)
    if mode in ("group_format", "both", "blanks"):
        assert not any("@" in name for name in groups)
        assert ("domain-users" if mode == "blanks" else
                "domain users") in groups
    else:
        assert {f"{name}@{DOMAIN}" for name in EVIL} <= groups


def test_no_gid_is_a_local_one(evil, mode):
    gids = evil.output("id", "-G", who(evil)).split()
    assert all(int(gid) >= 200000 for gid in gids)


@pytest.mark.parametrize("name", EVIL)
def test_group_name_means_the_local_group_or_none(evil, mode, name):
    local = evil.host("getent", "-s", "files", "group", name)
    both = evil.host("getent", "group", name)
    assert (both.returncode, both.stdout) == (local.returncode, local.stdout)


def test_sudo_allows_nothing(evil, mode):
    result = evil.host("env", "LC_ALL=C", "sudo", "-l", "-U", who(evil))
    assert "is not allowed to run sudo" in result.stdout, result.stdout


def test_sudo_run_by_the_user(evil, mode):
    result = evil.host("runuser", "-u", who(evil), "--", "sudo", "-n", "id")
    assert result.returncode != 0
    assert "uid=0" not in result.stdout


@pytest.mark.parametrize("name", ["sudo", "docker", "localteam", "root"])
def test_files_of_local_groups_stay_closed(evil, mode, name):
    result = evil.host("runuser", "-u", who(evil), "--", "cat",
                       f"/srv/evil/{name}")
    assert result.returncode != 0
    assert "Permission denied" in result.stderr


@pytest.mark.parametrize("name", ["0", "docker", "localteam"])
def test_chown_to_such_a_name_is_the_local_one(evil, mode, name):
    evil.output("touch", "/srv/evil/mine")
    evil.output("chgrp", name, "/srv/evil/mine")
    gid = evil.output("stat", "-c", "%g", "/srv/evil/mine").strip()
    assert int(gid) < 200000


@pytest.mark.parametrize("name", ["#0", "%wheel", "wheel"])
def test_chown_knows_no_such_group(evil, mode, name):
    evil.output("touch", "/srv/evil/mine")
    assert evil.host("chgrp", name, "/srv/evil/mine").returncode != 0


@pytest.mark.parametrize("name", ["root", "postgres", "0", "nobody"])
def test_user_name_means_the_local_user_or_none(evil, mode, name):
    local = evil.host("getent", "-s", "files", "passwd", name)
    both = evil.host("getent", "passwd", name)
    assert (both.returncode, both.stdout) == (local.returncode, local.stdout)
    for group in ("passwd", "group"):
        result = evil.host("getent", "-s", "dssync", group, name)
        assert result.returncode == 2, result.stdout


def test_nothing_bare_but_what_was_chosen(evil, mode):
    bare_users = mode in ("name_format", "both", "blanks")
    bare_groups = mode in ("group_format", "both", "blanks")
    for database, bare in (("passwd", bare_users), ("group", bare_groups)):
        names = [line.split(":")[0] for line in evil.output(
            "getent", "-s", "dssync", database).splitlines()]
        assert names
        assert all("@" not in name if bare else "@" in name
                   for name in names)


def test_sudo_does_allow_a_rule_that_names_the_group(evil, mode):
    # The same question, answered yes: the tests above can fail.
    group = evil.host("getent", "group", f"{NETBIOS}\\Late Comers")
    name = group.stdout.split(":")[0].replace(" ", "\\ ")
    evil.lab.host.write("/etc/sudoers.d/late",
                        f"%{name} ALL=(ALL) NOPASSWD: /usr/bin/id\n", 0o440)
    try:
        result = evil.host("env", "LC_ALL=C", "sudo", "-l", "-U", who(evil))
        assert "NOPASSWD: /usr/bin/id" in result.stdout
    finally:
        evil.output("rm", "/etc/sudoers.d/late")


def test_explain_says_why(evil, mode):
    result = evil.host("dssyncctl", "explain", "sudo")
    assert result.returncode == 1
    if mode in ("group_format", "both", "blanks"):
        assert "reserved or local name" in result.stdout, result.stdout


def of_the_directory(lab, database, name):
    return lab.host("getent", "-s", "dssync", database, name).returncode == 0


def test_new_local_names_are_taken_back(evil):
    """The host's own files are looked at every ten seconds."""
    names = [("group", "late comers"), ("passwd", "alice")]
    configure(evil, MODES["both"])
    for database, name in names:
        assert int(evil.entry(database, name)[2]) >= 200000
    # groupadd(8) refuses the blank, and useradd(8) sees the directory's
    # user; the files do not.
    evil.shell("echo 'late comers:x:4711:' >>/etc/group; "
               "echo 'alice:x:4712:4712::/:/bin/sh' >>/etc/passwd")
    try:
        for database, name in names:
            wait_until(f"the directory's {name} gives way", lambda: not
                       of_the_directory(evil, database, name))
        assert evil.group("late comers")[2] == "4711"
        assert evil.passwd("alice")[2] == "4712"
        assert "late comers" not in evil.group_names("mallory")
    finally:
        evil.output("sed", "-i", "/^late comers:/d", "/etc/group")
        evil.output("sed", "-i", "/^alice:/d", "/etc/passwd")
    for database, name in names:
        wait_until(f"{name} comes back", lambda: of_the_directory(
            evil, database, name))


def test_a_shell_that_the_host_lacks(lab):
    config = lab.output("cat", CONF)
    shells = lab.output("cat", "/etc/shells")
    configure(lab, "shell = /usr/bin/nosuch/fish")
    try:
        assert lab.passwd("heidi@contoso.com")[6] == "/bin/sh"
        assert "users have /bin/sh" in lab.host("dssyncctl", "doctor").stdout
        lab.lab.host.write("/etc/shells", shells + "/usr/bin/nosuch/fish\n")
        wait_until("it is there now", lambda: lab.passwd(
            "heidi@contoso.com")[6] == "/usr/bin/nosuch/fish")
        configure(lab, "shell = /usr/sbin/nologin")
        assert lab.passwd("heidi@contoso.com")[6] == "/usr/sbin/nologin"
    finally:
        lab.lab.host.write("/etc/shells", shells)
        lab.lab.host.write(CONF, config)
        lab.daemon("restart")
        lab.sync()


def test_a_home_that_a_name_would_break(lab):
    config = lab.output("cat", CONF)
    backup = lab.ldap_user("svc-backup@aaddscontoso.com", "sAMAccountName")
    lab.set(backup, userPrincipalName="..@aaddscontoso.com")
    configure(lab, "home = /home/%U")
    try:
        assert lab.passwd("heidi@contoso.com")[5] == "/home/heidi"
        assert lab.passwd("..@aaddscontoso.com") is None
        assert lab.passwd(f"{NETBIOS}\\svc-backup") is None
        result = lab.host("dssyncctl", "explain", "..@aaddscontoso.com")
        assert "plain absolute path" in result.stdout, result.stdout
    finally:
        lab.set(backup, userPrincipalName="svc-backup@aaddscontoso.com")
        lab.lab.host.write(CONF, config)
        lab.daemon("restart")
        lab.sync()
