# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab as a fixture: one domain and one joined host for the whole run.

Run as root: /usr/bin/python3 -m pytest tests/system [--build DIR]
"""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "lab"), str(Path(__file__).resolve().parent)]

from laboratory import Laboratory  # noqa: E402

LAB_NAME = "systest"


def pytest_addoption(parser):
    parser.addoption("--build", default=str(ROOT / "build"),
                     help="the configured and built tree to install")
    parser.addoption("--lab", default=LAB_NAME, metavar="NAME",
                     help="the lab's name, for two runs side by side")
    parser.addoption("--keep-lab", action="store_true",
                     help="leave the lab running at the end: enter it with "
                     "lab/dslab exec --name NAME -- bash")


@pytest.fixture(scope="session")
def lab(request):
    """A lab with the product installed, started and in sync."""
    laboratory = Laboratory(request.config.getoption("--lab"))
    laboratory.down()
    try:
        laboratory.up(request.config.getoption("--build"))
        laboratory.sync()
        yield laboratory
    finally:
        if not request.config.getoption("--keep-lab"):
            laboratory.down()


@pytest.fixture
def tenant(lab):
    """The default tenant to change; the domain is put back afterwards."""
    yield lab.default_tenant()
    if lab.apply(lab.default_tenant()):
        # What was deleted only a full listing can tell.
        lab.sync("--full")
