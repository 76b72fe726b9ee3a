#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Children that may not be read, or not be written though the export can be.
. "${0%/*}/quorum-fault-functions.sh"
export LC_ALL=C

three_images 1M 0x5a
if [ "$(id -u)" -eq 0 ]; then
    # Root may do everything to a file, but not to an immutable one.
    if chattr +i "$tmpdir/3.raw" 2> /dev/null; then
        cleanup_fn chattr -i "$tmpdir/3.raw"
        refused "an immutable file" "3\.raw.*(Operation not permitted|read-only)" "$tmpdir"/{1,2,3}.raw
        start_quorum q "$tmpdir"/{1,2,3}.raw quorum-read-only=true
        ok "it can be read when all is read-only" qemu_io q -r -c 'read -P 0x5a 0 1M'
        stop_nbdkit q
        chattr -i "$tmpdir/3.raw"
    else
        skip "an immutable file" "no chattr +i on this file system"
    fi
else
    chmod 0 "$tmpdir/3.raw"
    refused "an unreadable file" "3\.raw.*Permission denied" "$tmpdir"/{1,2,3}.raw
    chmod 444 "$tmpdir/3.raw"
    refused "a read-only file" "3\.raw.*Permission denied" "$tmpdir"/{1,2,3}.raw
    chmod 600 "$tmpdir/3.raw"
fi
start_nbdkit three -r file "$tmpdir/3.raw"
refused "a read-only export" "three\.sock.*export it writable, or say quorum-read-only=true" \
    "$tmpdir"/{1,2}.raw "$(uri_of three)"
start_quorum q "$tmpdir"/{1,2}.raw "$(uri_of three)" quorum-read-only=true
ok "it can be read when all is read-only" qemu_io q -r -c 'read -P 0x5a 0 1M'
stop_nbdkit q
if flock -n "$tmpdir/1.raw" true && [ "$(id -u)" -eq 0 ]; then
    start_qemu_nbd other -f raw "$tmpdir/2.raw"
    refused "an image that QEMU has open" "2\.raw.*(in use|lock)" "$tmpdir"/{1,2,3}.raw
    end_process "$(pid_of other)"
fi
done_testing
