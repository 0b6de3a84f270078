#!/bin/sh
# Every test that tests/README.md names is there: a file in tests/, and a
# function in one of the files.
# SPDX-License-Identifier: GPL-3.0-or-later
set -u
: "${srcdir:=.}"
cd "$srcdir/tests" || exit 1
failed=0
seen=0
for name in $(grep -o '`[A-Za-z0-9_./]*`' README.md | tr -d '`' | sort -u); do
	seen=$((seen + 1))
	case $name in
	*.py | *.c | *.sh)
		set -- */"$name"
		[ -e "$1" ] || set -- ../"$name"
		;;
	*/*) set -- ../"$name" "$name" ;;
	*)
		grep -rqw "$name" unit system fuzz run && continue
		set -- "$name"
		;;
	esac
	for file; do
		[ -e "$file" ] && continue 2
	done
	echo "FAILED: tests/README.md names $name, which is not there" >&2
	failed=1
done
[ $seen -gt 50 ] || failed=1
exit $failed
