# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab reports to its user instead of a traceback."""


class LabError(Exception):
    """Something that the user can act on; its text is one clear message."""
