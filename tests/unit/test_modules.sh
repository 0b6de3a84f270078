#!/bin/sh
# What the built files need and show (HACKING.md, "Who may touch what"): the NSS module needs
# nothing but libc and exports only _nss_dssync_*, the PAM module nothing but
# libc and libpam and exports only pam_sm_*, the krb5 plugin nothing but libc
# and exports only localauth_dssync_initvt; and nothing that is built imports
# a call that writes to a directory, or one that may start a shell.  A missing
# file is a failure.
# SPDX-License-Identifier: GPL-3.0-or-later
set -u
: "${builddir:=.}" "${NM:=nm}" "${READELF:=readelf}"
failed=0
complain() {
	echo "FAILED: $*" >&2
	failed=1
}

# A sanitizer is a library, and calls, that a release does not have.
sanitizers=${SANITIZERS:-no}

module() { # FILE NEEDED... -- SYMBOLS
	file=$builddir/$1
	shift
	if [ ! -f "$file" ]; then
		complain "$file is not there"
		return
	fi
	needed=
	while [ "$1" != -- ]; do
		needed="$needed $1"
		shift
	done
	for lib in $($READELF -d "$file" |
		sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p'); do
		case "$sanitizers $lib" in
		"yes libasan."* | "yes libubsan."*) continue ;;
		"yes libgcc_s."* | "yes libm."* | "yes libstdc++."*) continue ;;
		esac
		case " $needed " in
		*" $lib "*) ;;
		*) complain "$file needs $lib" ;;
		esac
	done
	exported=$($NM -D --defined-only "$file" | awk '{ print $NF }' |
		sed 's/@.*//')
	[ -n "$exported" ] || complain "$file exports nothing"
	for sym in $exported; do
		case "$sym" in
		$2*) ;;
		*) complain "$file exports $sym" ;;
		esac
	done
	for sym in $($NM -D --undefined-only "$file" | awk '{ print $NF }' |
		sed 's/@.*//'); do
		case "$sym" in
		exit | abort | __assert_fail | setenv | putenv)
			complain "$file calls $sym" ;;
		esac
	done
}

no_writes() { # FILE
	if [ ! -f "$builddir/$1" ]; then
		complain "$builddir/$1 is not there"
		return
	fi
	verbs='add|modify|delete|rename|modrdn2?|extended_operation|passwd'
	writes=$($NM -D --undefined-only "$builddir/$1" |
		awk '{ print $NF }' | sed 's/@.*//' |
		grep -E "^ldap_($verbs)(_|\$)")
	[ -z "$writes" ] || complain "$1 imports" $writes
}

no_shell() { # FILE
	shells=$($NM -D --undefined-only "$builddir/$1" |
		awk '{ print $NF }' | sed 's/@.*//' |
		grep -Ex 'system|popen|wordexp|execl|execlp|execle|execvp|execvpe')
	[ -z "$shells" ] || complain "$1 imports" $shells
}

nss=nss_dssync/.libs/libnss_dssync.so.2
pam=pam_dssync/.libs/pam_dssync.so
localauth=krb5_dssync/.libs/localauth_dssync.so
module $nss libc.so.6 -- _nss_dssync_
module $pam libc.so.6 libpam.so.0 -- pam_sm_
module $localauth libc.so.6 -- localauth_dssync_initvt

soname=$($READELF -d "$builddir/$nss" |
	sed -n 's/.*(SONAME).*\[\(.*\)\].*/\1/p')
[ "$soname" = libnss_dssync.so.2 ] || complain "$nss is called $soname"
for sym in getpwnam_r getpwuid_r setpwent getpwent_r endpwent getgrnam_r \
	getgrgid_r setgrent getgrent_r endgrent initgroups_dyn; do
	$NM -D --defined-only "$builddir/$nss" |
		grep -q " T _nss_dssync_$sym\$" || complain "$nss lacks $sym"
done
# Never a socket, never a wait for another process, no change of this one.
for sym in socket connect flock lockf fcntl fcntl64 fork poll select _exit \
	signal sigaction umask chdir fchdir malloc calloc; do
	if $NM -D --undefined-only "$builddir/$nss" |
		grep -Eq " $sym(@|\$)"; then
		complain "$nss calls $sym"
	fi
done

# A library that speaks for itself is spoken to in one place (HACKING.md).
only_in() { # HEADER PATTERN FILE...
	header=$1 pattern=$2
	shift 2
	where=$(cd "$srcdir" && grep -rlE "^#[[:space:]]*include <$pattern>" \
		lib nss_dssync pam_dssync krb5_dssync synccache dssyncctl | sort)
	for file in $where; do
		case " $* " in
		*" $file "* | *" ${file%/*}/ "*) ;;
		*) complain "$file includes $header" ;;
		esac
	done
	[ -n "$where" ] || complain "nothing includes $header"
}
only_in '<openssl/*.h>' 'openssl/[a-z_0-9]*\.h' synccache/auth/verifier.c
only_in '<lmdb.h>' 'lmdb\.h' synccache/sync/store.c
only_in '<ldap.h>' 'ldap\.h' synccache/sync/conn.c
only_in '<krb5.h>' 'krb5\.h' synccache/auth/ krb5_dssync/

# Everything that `make install` installs as a program or module.
: "${DS_PROGRAMS:?the list of built programs}"
for file in $nss $pam $localauth $DS_PROGRAMS; do
	no_writes "$file"
	no_shell "$file"
done
exit $failed
