# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong with a domain controller, on purpose.

Everything but the clock is undone by `mend` (and `resume`), and all of it by
a new start of the lab.
"""

import re

from .errors import LabError

DEFAULT_RATE = "64kbit"


def hang(lab, controller):
    """The kernel still takes connections for it; it says nothing."""
    if not controller.signal_samba("STOP"):
        raise LabError(f"Samba does not run on {controller.name}")


def resume(lab, controller):
    controller.signal_samba("CONT")


def cut(lab, controller):
    """Pull the cable: nobody finds it any more."""
    lab.switch.ip("link", "set", controller.name, "nomaster")


def swallow(lab, controller):
    """It can be reached, and not one answer of it arrives."""
    for address in lab.addresses():
        if address != controller.address:
            controller.run(["ip", "route", "replace", "blackhole",
                            f"{address}/32"])


def slow(lab, controller, rate=None):
    """What it sends goes at this rate (tc's words, like 64kbit)."""
    rate = rate or DEFAULT_RATE
    if re.fullmatch(r"\d+[kmg]?bit", rate) is None:
        raise LabError(f"expected a rate like {DEFAULT_RATE}, not '{rate}'")
    controller.run(["tc", "qdisc", "replace", "dev", "eth0", "root", "tbf",
                    "rate", rate, "burst", "2kb", "limit", "200kb"])


def mend(lab, controller):
    lab.switch.ip("link", "set", controller.name, "master", "br0")
    controller.run(["sh", "-c", "ip route flush type blackhole; "
                    "tc qdisc del dev eth0 root 2>/dev/null; true"])


def clock(lab, controller, offset=None):
    """Samba starts again, so many seconds off (like +3600 or -86400)."""
    if re.fullmatch(r"[+-]?\d{1,9}", offset or "") is None:
        raise LabError("dc clock: expected seconds like +3600 or -86400 "
                       "after the name; 0 is the right time")
    controller.stop_samba()
    controller.start_samba(int(offset))


def start(lab, controller):
    controller.start_samba()


def stop(lab, controller):
    controller.stop_samba()


ACTIONS = {f.__name__: f for f in (start, stop, hang, resume, cut, swallow,
                                   slow, mend, clock)}
WITH_VALUE = ("slow", "clock")
