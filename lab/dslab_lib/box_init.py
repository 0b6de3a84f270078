# SPDX-License-Identifier: GPL-3.0-or-later
"""Process 1 of a box, started by box.py in fresh namespaces.

box_init.py NAME DIR [LAB_DIR LAB_DIR_INSIDE]

With LAB_DIR it gives the box a root of its own: an overlay of / whose changes
live in memory, with own /run, /tmp, /home, /root, /dev.  Then it says "ready"
and reaps orphans until it is killed.
"""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
OWN_FOLDERS = (("run", "0755"), ("tmp", "1777"), ("home", "0755"),
               ("root", "0700"))


def mount(*args):
    subprocess.run(["mount", *args], check=True)


def make_devices(dev):
    mount("-t", "tmpfs", "-o", "mode=0755,nosuid", "dev", str(dev))
    for name in DEVICES:
        (dev / name).touch()
        mount("--bind", f"/dev/{name}", str(dev / name))
    (dev / "pts").mkdir()
    mount("-t", "devpts", "-o", "newinstance,ptmxmode=0666,mode=0620,gid=5",
          "devpts", str(dev / "pts"))
    (dev / "shm").mkdir()
    mount("-t", "tmpfs", "-o", "mode=1777", "shm", str(dev / "shm"))
    for name, target in (("ptmx", "pts/ptmx"), ("fd", "/proc/self/fd"),
                         ("stdin", "/proc/self/fd/0"),
                         ("stdout", "/proc/self/fd/1"),
                         ("stderr", "/proc/self/fd/2")):
        (dev / name).symlink_to(target)


def make_root(layers, lab_dir, lab_dir_inside):
    """Build the box's root on `layers` and move into it."""
    layers.mkdir()
    mount("-t", "tmpfs", "-o", "mode=0755", "box", str(layers))
    root = layers / "root"
    for name in ("upper", "work", "root"):
        (layers / name).mkdir()
    mount("-t", "overlay", "-o", f"lowerdir=/,upperdir={layers}/upper,"
          f"workdir={layers}/work", "box", str(root))
    mount("-t", "proc", "proc", str(root / "proc"))
    mount("-t", "sysfs", "-o", "ro", "sysfs", str(root / "sys"))
    make_devices(root / "dev")
    for name, mode in OWN_FOLDERS:
        mount("-t", "tmpfs", "-o", f"mode={mode}", name, str(root / name))
    (root / "run/lock").mkdir(mode=0o1777)
    inside = root / lab_dir_inside.lstrip("/")
    inside.mkdir()
    mount("--bind", "-o", "ro", lab_dir, str(inside))
    old = root / "run/old-root"
    old.mkdir()
    os.chdir(root)
    subprocess.run(["pivot_root", ".", "run/old-root"], check=True)
    os.chdir("/")
    subprocess.run(["umount", "-l", "/run/old-root"], check=True)
    os.rmdir("/run/old-root")


def reap_forever():
    # Blocked, so that it stays pending between two waits.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            signal.sigwait({signal.SIGCHLD})


def main():
    name, directory = sys.argv[1:3]
    # /proc still belongs to the outside, and so does the pid that it shows.
    Path(directory, "pid").write_text(os.readlink("/proc/self"))
    socket.sethostname(name)
    if len(sys.argv) > 3:
        make_root(Path(directory, "layers"), sys.argv[3], sys.argv[4])
    else:
        mount("-t", "proc", "proc", "/proc")
    print("ready", flush=True)
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    reap_forever()


main()
