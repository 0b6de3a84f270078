# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain of a given size; bench/lab does the same with 20,000 users."""

import re

import pytest

from laboratory import PASSWORD, Laboratory, dslab

SIZE = ["--users", "300", "--groups", "30", "--memberships", "3000"]


@pytest.fixture(scope="module")
def sized(request):
    laboratory = Laboratory(request.config.getoption("--lab") + "-sized")
    laboratory.down()
    try:
        laboratory.up(None, options=SIZE)
        yield laboratory
    finally:
        laboratory.down()


def test_as_many_as_asked_for(sized):
    users = sized.ldapsearch("(msDS-aadObjectId=*)", "sAMAccountName")
    groups = sized.ldapsearch("(msDS-AzureADObjectId=*)", "member")
    assert len(users) == 300 and len(groups) == 30
    assert sum(len(g.get("member", [])) for g in groups) == 3000


def test_three_percent_have_generated_names(sized):
    users = sized.ldapsearch("(msDS-aadObjectId=*)", "sAMAccountName")
    generated = [u for u in users if re.search(
        r" \([0-9a-f]{6}\)$", u["sAMAccountName"][0])]
    assert len(generated) == 9


def test_groups_are_uneven_and_nested(sized):
    groups = sized.ldapsearch("(msDS-AzureADObjectId=*)", "member",
                              "memberOf")
    sizes = sorted(len(g.get("member", [])) for g in groups)
    assert sizes[-1] > 5 * sizes[0] > 0
    assert any("memberOf" in g for g in groups)


def test_everybody_can_log_in(sized):
    """Though all but one were given the keys of the first."""
    for upn in ("user000000@aaddscontoso.com", "user000001@contoso.com",
                "user000299@contoso.onmicrosoft.com"):
        for password, status in ((PASSWORD, 0), ("Wrong-Horse-1", 1)):
            result = sized.host("sh", "-c", f"echo {password} | "
                                f"kinit -c MEMORY: -E {upn}")
            assert result.returncode == status, result.stderr


def test_the_second_start_is_from_the_image(sized):
    sized.down()
    result = dslab("up", "--no-product", "--name", sized.name, *SIZE)
    assert result.returncode == 0, result.stderr
    assert "taking the filled domain from" in result.stdout
    assert "kept for the next time" not in result.stdout
    sized.use()
    test_as_many_as_asked_for(sized)


@pytest.mark.parametrize("words, message", [
    (["--users", "10", "--groups", "2", "--memberships", "21"],
     "no room for 21 memberships"),
    (["--groups", "2"], "go with --users"),
    (["--users", "many"], "expected a number")])
def test_a_size_that_cannot_be(request, words, message):
    name = request.config.getoption("--lab") + "-bad"
    result = dslab("up", "--no-product", "--name", name, *words)
    assert result.returncode != 0 and message in result.stderr
    assert "Traceback" not in result.stderr
