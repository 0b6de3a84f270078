#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Every manual page is sound mdoc, and every reference between ours leads to a
# page that exists.
set -eu
: "${srcdir:?run by make check}"
status=0
for page in "$srcdir"/man/*.[1-8]; do
	mandoc -T lint -W warning "$page" || status=1
	sed -n 's/^\.Xr \(dssync[^ ]*\|synccached\|pam_dssync\|krb5_dssync\) \([1-8]\).*/\1.\2/p' \
		"$page" | while read -r other; do
		[ -e "$srcdir/man/$other" ] || {
			echo "$page: refers to $other, which does not exist"
			exit 1
		}
	done || status=1
done
exit $status
