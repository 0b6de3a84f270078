# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab: a switch, a domain controller and a joined host, under one name."""

import contextlib
import itertools
import json
import os
import shutil
from pathlib import Path

from .box import (LAB_DIR, LAB_MARK, Switch, kill_marked, marked_processes,
                  remove_state)
from .certificates import Authority
from .controller import CACHE_DIR, Controller
from .errors import LabError
from .member import DAEMON, Member
from .size import generate
from .tenant import DEFAULT_DOMAIN, check_tenant, load_tenant

RUN_DIR = Path("/run/dslab")
DEFAULT_TENANT = LAB_DIR / "tenant.json"
DEFAULT_BUILD = LAB_DIR.parent / "build"
NETWORK = "10.99.0."
# The last part of the first machine's address, and how many there may be.
FIRST = {"dc": 10, "host": 20, "rogue": 66}
MOST = {"dc": 2, "host": 9, "rogue": 1}


def check_build(build):
    if build is not None and not (Path(build) / "Makefile").exists():
        raise LabError(f"{build} holds no build of the product: build it "
                       "first (lab/demo does), name it with --build, or "
                       "leave it out with --no-product")


class Plan:
    """What `up` is asked for; build=None leaves the product out."""

    def __init__(self, tenant=DEFAULT_TENANT, build=None, size=None,
                 dcs=1, hosts=1, rogue=False):
        self.tenant, self.build, self.size = tenant, build, size
        self.counts = {"dc": dcs, "host": hosts, "rogue": int(rogue)}
        for kind, number in self.counts.items():
            if number > MOST[kind]:
                raise LabError(f"at most {MOST[kind]} of {kind}, "
                               f"not {number}")

    def load_tenant(self):
        """The tenant, or of a generated one no more than the domain."""
        if self.size is None:
            return load_tenant(self.tenant)
        return {"domain": DEFAULT_DOMAIN}

    def generated(self):
        return check_tenant(generate(*self.size), "the generated tenant")

    def size_name(self):
        return "filled-{}-{}-{}".format(*self.size)


class Lab:
    def __init__(self, name):
        self.name = name
        self.state_dir = RUN_DIR / name
        self.names_file = self.state_dir / "names.json"
        self.names, self.counts = {}, {}
        with contextlib.suppress(OSError, ValueError, KeyError):
            found = json.loads(self.names_file.read_text())
            self.use_names(found["names"], found["counts"])

    def use_names(self, names, counts):
        self.names, self.counts = names, counts
        self.switch = Switch(self.state_dir, "switch")
        servers = "".join(f"nameserver {NETWORK}{FIRST['dc'] + n}\n"
                          for n in range(counts["dc"]))
        self.dcs = [Controller(self.state_dir, {
            **names, "DC_NAME": f"dc{n + 1}",
            "DC_ADDRESS": f"{NETWORK}{FIRST['dc'] + n}"})
            for n in range(counts["dc"])]
        self.hosts, self.rogues = [[Member(self.state_dir, {
            **names, "HOST_NAME": f"{kind}{n + 1}", "NAMESERVERS": servers,
            "HOST_ADDRESS": f"{NETWORK}{FIRST[kind] + n}"})
            for n in range(counts[kind])] for kind in ("host", "rogue")]
        self.dc, self.host = self.dcs[0], self.hosts[0]
        self.machines = {box.name: box for box in
                         (*self.dcs, *self.hosts, *self.rogues)}

    def addresses(self):
        return [box.address for box in self.machines.values()]

    def machine(self, name):
        if name not in self.machines:
            raise LabError(f"the lab '{self.name}' has no {name}, but "
                           + ", ".join(self.machines))
        return self.machines[name]

    def need_up(self):
        if not self.names or not self.host.is_running():
            raise LabError(f"the lab '{self.name}' is not up: dslab up")

    def up(self, plan, say):
        """Make the lab that a Plan describes."""
        tenant = plan.load_tenant()
        check_build(plan.build)
        self.check_machine()
        self.make_folder()
        # Helpers outside the boxes are found by `down` as well.
        os.environ[LAB_MARK] = str(self.state_dir)
        try:
            self.build_up(plan, tenant, say)
        except BaseException:
            self.down()
            raise

    def make_folder(self):
        while True:
            RUN_DIR.mkdir(mode=0o755, exist_ok=True)
            try:
                self.state_dir.mkdir(mode=0o755)
                return
            except FileExistsError:
                raise LabError(f"the lab '{self.name}' exists already: "
                               f"dslab down --name {self.name}") from None
            except FileNotFoundError:
                continue    # the last of the others has just gone, with it

    def check_machine(self):
        if os.geteuid() != 0:
            raise LabError("the lab makes namespaces and mounts: run as root")
        for folder in ("/usr", "/var", "/etc"):
            if os.path.ismount(folder):
                raise LabError("a lab machine is an overlay of /, which has "
                               f"to be one file system; {folder} is another")

    def build_up(self, plan, tenant, say):
        domain = tenant["domain"]
        self.use_names({"DOMAIN": domain["dnsName"],
                        "REALM": domain["dnsName"].upper(),
                        "NETBIOS": domain["netbiosName"],
                        "BACKEND": "mdb" if plan.size else "tdb"},
                       plan.counts)
        say(f"making {len(self.machines)} machines")
        self.switch.start()
        for box in self.machines.values():
            box.start()
            self.switch.plug_in(box, box.address + "/24")
        self.names_file.write_text(json.dumps(
            {"names": self.names, "counts": self.counts}))
        authority = Authority(self.state_dir)
        authority.create()
        say("starting the domain controller")
        self.dc.set_up(say, authority, plan)
        if not plan.size:
            say("filling the domain from the tenant")
            self.dc.apply(tenant, say.progress)
        for second in self.dcs[1:]:
            say(f"joining {second.name} as a domain controller")
            second.join_to(self.dc, authority)
        for host in (*self.hosts, *self.rogues):
            say(f"joining {host.name}")
            host.set_up()
            if host in self.rogues:
                host.join_as_rogue()
            else:
                host.join()
            authority.introduce(host)
            # At whichever it joined; the names come last.
            for dc, other in itertools.permutations(self.dcs, 2):
                dc.tell(other, f"(&(sAMAccountName={host.name.upper()}$)"
                        "(servicePrincipalName=host/*))")
        self.dc.close_join_audit()
        for host in self.hosts:
            host.start_sshd()
        for rogue in self.rogues:
            rogue.start_rogue(self.dc)
        if plan.build is not None:
            say("installing the product")
            for host in self.hosts:
                host.install_product(plan.build)
                host.start_daemon()

    def down(self):
        """Leave nothing; works at any time, on whatever is there."""
        os.environ.pop(LAB_MARK, None)
        existed = self.state_dir.exists() or \
            bool(marked_processes(self.state_dir))
        kill_marked(self.state_dir)
        for unfinished in CACHE_DIR.glob(f"*.{self.name}.new"):
            unfinished.unlink(missing_ok=True)
        remove_state(self.state_dir)
        return existed

    def status(self):
        running = bool(self.names)
        return {
            "name": self.name, "folder": str(self.state_dir),
            "domain": self.names.get("DOMAIN"),
            "domain_controller": running and self.dc.is_running(),
            "samba": running and self.dc.runs("samba"),
            "host": running and self.host.is_running(),
            "synccached": running and self.host.runs(DAEMON),
            "machines": {name: {
                "address": box.address, "running": box.is_running(),
                "samba" if box in self.dcs else "synccached":
                    box.runs("samba" if box in self.dcs else DAEMON),
            } for name, box in self.machines.items()} if running else {},
        }


def purge_cache():
    shutil.rmtree(CACHE_DIR, ignore_errors=True)
