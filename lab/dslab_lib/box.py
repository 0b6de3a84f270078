# SPDX-License-Identifier: GPL-3.0-or-later
"""A box: one machine of the lab, made of namespaces.

A box has its own network, mounts, host name and processes.  Its process 1 is
box_init.py; when that dies the kernel ends every process of the box, and with
them go its mounts and interfaces.  So there is nothing to take down in order,
and nothing that can be left behind, whatever moment somebody was killed at.

Every process that belongs to a lab carries LAB_MARK in its environment;
that is how `down` finds them even when no pid was ever written down.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from .errors import LabError

LAB_MARK = "DSLAB_LAB"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LAB_DIR = Path(__file__).resolve().parent.parent
# Where a box sees the lab folder, read-only.
LAB_DIR_INSIDE = "/run/dslab"


def marked_processes(state_dir):
    """Pids of every process whose environment names this lab."""
    mark = f"{LAB_MARK}={state_dir}".encode()
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            environ = Path("/proc", entry, "environ").read_bytes()
        except OSError:
            continue
        if mark in environ.split(b"\0"):
            found.append(int(entry))
    return found


def kill_marked(state_dir, timeout=20):
    """End every process of a lab, and wait until they are gone."""
    deadline = time.monotonic() + timeout
    while True:
        pids = marked_processes(state_dir)
        if not pids:
            return
        if time.monotonic() > deadline:
            raise LabError(f"processes {pids} of {state_dir} do not end")
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.02)


class Box:
    """One machine.  `state_dir` is the lab's folder, `name` the host name."""

    def __init__(self, state_dir, name):
        self.state_dir = Path(state_dir)
        self.name = name
        self.dir = self.state_dir / name

    def start(self, with_root=True):
        """Make the box.  Without a root of its own it is only a network."""
        self.dir.mkdir()
        log = self.dir / "init.log"
        argv = ["unshare", "--net", "--uts", "--ipc", "--mount", "--pid",
                "--fork", "--kill-child=KILL", sys.executable, "-B",
                str(LAB_DIR / "dslab_lib" / "box_init.py"),
                self.name, str(self.dir)]
        if with_root:
            argv += [str(LAB_DIR), LAB_DIR_INSIDE]
        with open(log, "wb") as err:
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=err, start_new_session=True, cwd="/",
                env={"PATH": PATH, "LANG": "C.UTF-8",
                     LAB_MARK: str(self.state_dir)})
        with process.stdout as pipe:
            if pipe.readline() != b"ready\n":
                raise LabError(f"{self.name} did not start: "
                               + log.read_text(errors="replace").strip())

    @property
    def pid(self):
        """The pid of the box's process 1, as the outside sees it."""
        try:
            pid = int((self.dir / "pid").read_text())
            environ = Path(f"/proc/{pid}/environ").read_bytes()
        except (OSError, ValueError):
            environ = b""
        if f"{LAB_MARK}={self.state_dir}".encode() not in environ.split(b"\0"):
            raise LabError(f"{self.name} of {self.state_dir} is not running")
        return pid

    def is_running(self):
        try:
            return self.pid > 0
        except LabError:
            return False

    def command(self, argv):
        """The command line that runs argv inside."""
        return ["nsenter", f"--target={self.pid}", "--mount", "--uts",
                "--ipc", "--net", "--pid", "--wdns=/", "--", *argv]

    def environment(self):
        return {"PATH": PATH, "HOME": "/root", "USER": "root",
                "LOGNAME": "root", "SHELL": "/bin/bash", "LANG": "C.UTF-8",
                "TERM": os.environ.get("TERM", "dumb"),
                LAB_MARK: str(self.state_dir)}

    def run(self, argv, *, input=None, timeout=60, check=True):
        """Run to its end, output captured as text; LabError if it failed."""
        # timeout(1) runs inside: killing nsenter would not end its child.
        result = subprocess.run(
            self.command(["timeout", "-k", "2", str(timeout), *argv]),
            env=self.environment(), text=True, input=input or "",
            errors="replace", capture_output=True)
        if check and result.returncode != 0:
            why = "timed out" if result.returncode == 124 \
                else f"exit status {result.returncode}"
            raise LabError(f"on {self.name}: {' '.join(argv)}: {why}\n"
                           + (result.stdout + result.stderr).strip())
        return result

    def execute(self, argv):
        """Become argv inside the box; returns only by an exception."""
        command = self.command(argv)
        os.execvpe(command[0], command, self.environment())

    def spawn(self, argv, log, name):
        """Start a daemon inside, output appended to `log`, pid in /run."""
        self.run(["sh", "-c", 'log=$1 pid=$2; shift 2; umask 022; '
                  'setsid "$@" </dev/null >>"$log" 2>&1 & '
                  'echo $! >"$pid"', "sh", log, f"/run/{name}.pid", *argv])

    def daemon_pid(self, name):
        """The pid, inside, of a daemon that spawn() started, or None."""
        result = self.run(
            ["sh", "-c", 'pid=$(cat "/run/$1.pid") && kill -0 "$pid" && '
             'echo "$pid"', "sh", name], check=False)
        return int(result.stdout) if result.returncode == 0 else None

    def runs(self, name):
        return self.is_running() and self.daemon_pid(name) is not None

    def stop_daemon(self, name, timeout=15):
        """Ask a daemon to end, with its process group; then insist."""
        pid = self.daemon_pid(name)
        if pid is None:
            return False
        # One shell that waits: cheaper than to ask from outside.
        self.run(["sh", "-c", 'kill -TERM "$1"; '
                  'for i in $(seq $(($2 * 20))); do '
                  'kill -0 "$1" || kill -0 -- "-$1" || exit 0; '
                  'sleep 0.05; done; '
                  'kill -KILL -- "-$1"', "sh", str(pid), str(timeout)],
                 timeout=timeout * 2)
        self.run(["rm", "-f", f"/run/{name}.pid"])
        return True

    def path(self, path):
        """A path of the box as the outside reaches it."""
        return Path(f"/proc/{self.pid}/root", path.lstrip("/"))

    def write(self, path, text, mode=0o644):
        """Replace a file of the box; never follows a link to the outside."""
        target = self.path(path)
        temporary = target.with_name(target.name + ".dslab")
        temporary.write_text(text)
        temporary.chmod(mode)
        os.replace(temporary, target)

    def install_files(self, folder, values):
        """Copy a folder of templates; @NAME@ becomes values['NAME']."""
        for source in sorted(Path(folder).rglob("*")):
            if source.is_dir():
                continue
            text = source.read_text()
            for key, value in values.items():
                text = text.replace(f"@{key}@", value)
            self.write(str(source.relative_to(folder)), text)

    def unpack(self, tar_stream):
        """Unpack a tar stream over the box's root."""
        result = subprocess.run(
            self.command(["tar", "-C", "/", "-x", "--numeric-owner", "-p",
                          "--keep-directory-symlink", "--no-overwrite-dir"]),
            stdin=tar_stream, env=self.environment(), capture_output=True,
            text=True)
        if result.returncode != 0:
            raise LabError(f"unpacking on {self.name}: {result.stderr}")


class Switch(Box):
    """A box without a root: the Ethernet switch that joins the others."""

    def start(self):
        super().start(with_root=False)
        self.ip("link", "add", "br0", "type", "bridge", "forward_delay", "0")
        self.ip("link", "set", "br0", "up")

    def ip(self, *args):
        """Run ip(8) in the switch; it has the outside's files."""
        result = subprocess.run(
            ["nsenter", f"--target={self.pid}", "--net", "--", "ip", *args],
            capture_output=True, text=True)
        if result.returncode != 0:
            raise LabError(f"ip {' '.join(args)}: {result.stderr.strip()}")

    def plug_in(self, box, address):
        """Give a box its eth0 with an address like 10.99.0.10/24."""
        self.ip("link", "add", box.name, "up", "master", "br0", "type",
                "veth", "peer", "name", "eth0", "netns", str(box.pid))
        box.run(["ip", "link", "set", "lo", "up"])
        box.run(["ip", "address", "add", address, "dev", "eth0"])
        box.run(["ip", "link", "set", "eth0", "up"])


def remove_state(state_dir):
    """Delete a lab's folder, and the parent when it was the last."""
    state_dir = Path(state_dir)
    # Somebody else may be removing it too; what matters is that it goes.
    shutil.rmtree(state_dir, ignore_errors=True)
    if state_dir.exists():
        shutil.rmtree(state_dir)
    try:
        state_dir.parent.rmdir()
    except OSError:
        pass
