# SPDX-License-Identifier: GPL-3.0-or-later
"""A disposable managed domain on one machine; lab/dslab is its command."""
