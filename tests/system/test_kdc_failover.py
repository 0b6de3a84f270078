# SPDX-License-Identifier: GPL-3.0-or-later
"""Two domain controllers: whatever happens to the one that answered last, a
login succeeds by the other within seconds."""

import time

import pytest

from laboratory import (DOMAIN, PASSWORD, SAM_DB, Laboratory, dslab,
                        wait_until)

ALICE = f"alice@{DOMAIN}"
ADDRESSES = {"dc1": "10.99.0.10", "dc2": "10.99.0.11"}
UNDO = {"stop": "start", "hang": "resume", "cut": "mend"}


@pytest.fixture(scope="module")
def two(request):
    laboratory = Laboratory(request.config.getoption("--lab") + "-two")
    laboratory.down()
    try:
        laboratory.up(request.config.getoption("--build"),
                      options=["--dcs", "2"])
        laboratory.sync()
        dc2 = laboratory.lab.machine("dc2")
        wait_until("the second one knows the host", lambda: "pwdLastSet"
                   in dc2.run(["ldbsearch", "-H", SAM_DB,
                               "(&(sAMAccountName=HOST1$)"
                               "(servicePrincipalName=host/*))",
                               "pwdLastSet"]).stdout)
        yield laboratory
    finally:
        laboratory.down()


def trouble(lab, *words):
    result = dslab("dc", *words, "--name", lab.name, timeout=90)
    assert result.returncode == 0, result.stderr


def login(lab):
    """A password check that succeeds, through pam_dssync; who answered it,
    and in how many seconds."""
    before = lab.status()["auth"]["checks"]["ok"]
    begin = time.monotonic()
    result = lab.host("pamtester", "sshd", ALICE, "authenticate",
                      input=PASSWORD + "\n", timeout=60)
    seconds = time.monotonic() - begin
    assert result.returncode == 0, result.stderr + lab.log()[-3000:]
    wait_until("the status counts it", lambda: lab.status()[
        "auth"]["checks"]["ok"] > before)
    address = lab.status()["auth"]["kdc"]
    return next(dc for dc in ADDRESSES if ADDRESSES[dc] == address), seconds


@pytest.mark.parametrize("what", UNDO)
def test_the_other_one_answers(two, what):
    first, _ = login(two)
    trouble(two, what, first)
    try:
        second, seconds = login(two)
        # Patience with one that is silent, and with its name server.
        assert second != first and seconds < 15
        # The one that answered is asked first from now on.
        third, seconds = login(two)
        assert third == second and seconds < 2
    finally:
        trouble(two, UNDO[what], first)
