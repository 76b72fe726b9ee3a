#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU's test 099, as far as it applies: the reference is reported as it was
# given, whatever it is.  (There is no filename that names both sides.)
. "${0%/*}/blkverify-functions.sh"
requires qemu-nbd

two_images 1M
serve_image raw "$tmpdir/raw.raw"

# judge NAME SPEC
judge()
{
    start_blkverify "$1" blkverify-raw="$2"
    watch_events "$1"
    is "$(status reference/spec)" "$2" "$1: as it was given"
    ok "$1: and it works" qemu_io "$1" -c 'read 0 64k'
    stop_nbdkit "$1"
}

judge path "$tmpdir/raw.raw"
judge uri "$(uri_of raw)"
stop_nbdkit raw
judge command "[ qemu-nbd -f raw $tmpdir/raw.raw ]"
done_testing
