# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab: a switch, a domain controller and a joined host, under one name."""

import contextlib
import json
import os
import shutil
from pathlib import Path

from .box import (LAB_DIR, LAB_MARK, Switch, kill_marked, marked_processes,
                  remove_state)
from .controller import CACHE_DIR, Controller
from .errors import LabError
from .member import Member
from .tenant import load_tenant

RUN_DIR = Path("/run/dslab")
DEFAULT_TENANT = LAB_DIR / "tenant.json"
DEFAULT_BUILD = LAB_DIR.parent / "build"
ADDRESSES = {"DC_NAME": "dc1", "DC_ADDRESS": "10.99.0.10",
             "HOST_NAME": "host1", "HOST_ADDRESS": "10.99.0.20"}


def check_build(build):
    if build is not None and not (Path(build) / "Makefile").exists():
        raise LabError(f"{build} holds no build of the product: build it "
                       "first (lab/demo does), name it with --build, or "
                       "leave it out with --no-product")


class Lab:
    def __init__(self, name):
        self.name = name
        self.state_dir = RUN_DIR / name
        self.names_file = self.state_dir / "names.json"
        self.names = {}
        with contextlib.suppress(OSError, ValueError):
            self.use_names(json.loads(self.names_file.read_text()))

    def use_names(self, names):
        self.names = names
        dc_names = {k: v for k, v in names.items()
                    if not k.startswith("HOST_")}
        self.switch = Switch(self.state_dir, "switch")
        self.dc = Controller(self.state_dir, dc_names)
        self.host = Member(self.state_dir, names)

    def need_up(self):
        if not self.names or not self.host.is_running():
            raise LabError(f"the lab '{self.name}' is not up: dslab up")

    def up(self, tenant_file, build, say):
        """Make the lab; build=None leaves the product out."""
        tenant = load_tenant(tenant_file)
        check_build(build)
        self.check_machine()
        RUN_DIR.mkdir(mode=0o755, exist_ok=True)
        try:
            self.state_dir.mkdir(mode=0o755)
        except FileExistsError:
            raise LabError(f"the lab '{self.name}' exists already: "
                           f"dslab down --name {self.name}") from None
        # Helpers outside the boxes are found by `down` as well.
        os.environ[LAB_MARK] = str(self.state_dir)
        try:
            self.build_up(tenant, build, say)
        except BaseException:
            self.down()
            raise

    def check_machine(self):
        if os.geteuid() != 0:
            raise LabError("the lab makes namespaces and mounts: run as root")
        for folder in ("/usr", "/var", "/etc"):
            if os.path.ismount(folder):
                raise LabError("a lab machine is an overlay of /, which has "
                               f"to be one file system; {folder} is another")

    def build_up(self, tenant, build, say):
        domain = tenant["domain"]
        self.use_names({**ADDRESSES, "DOMAIN": domain["dnsName"],
                        "REALM": domain["dnsName"].upper(),
                        "NETBIOS": domain["netbiosName"]})
        say("making two machines")
        self.switch.start()
        for box, address in ((self.dc, self.names["DC_ADDRESS"]),
                             (self.host, self.names["HOST_ADDRESS"])):
            box.start()
            self.switch.plug_in(box, address + "/24")
        self.names_file.write_text(json.dumps(self.names))
        say("starting the domain controller")
        self.dc.set_up(say)
        say("filling the domain from the tenant")
        self.dc.apply(tenant)
        say("joining the host")
        self.host.set_up()
        self.host.join()
        self.dc.close_join_audit()
        self.host.start_sshd()
        if build is not None:
            say("installing the product")
            self.host.install_product(build)
            self.host.start_daemon()

    def down(self):
        """Leave nothing; works at any time, on whatever is there."""
        os.environ.pop(LAB_MARK, None)
        existed = self.state_dir.exists() or \
            bool(marked_processes(self.state_dir))
        kill_marked(self.state_dir)
        remove_state(self.state_dir)
        return existed

    def status(self):
        running = bool(self.names)
        return {
            "name": self.name, "folder": str(self.state_dir),
            "domain": self.names.get("DOMAIN"),
            "domain_controller": running and self.dc.is_running(),
            "samba": running and self.dc.is_running()
            and self.dc.daemon_pid("samba") is not None,
            "host": running and self.host.is_running(),
            "synccached": running and self.host.is_running()
            and self.host.daemon_pid("synccached-lab") is not None,
        }


def purge_cache():
    shutil.rmtree(CACHE_DIR, ignore_errors=True)
