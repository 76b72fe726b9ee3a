#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A child that cannot say what is a zero is reported as a failed read; then all is
# data, and no QUORUM_FAILURE.
. "${0%/*}/quorum-functions.sh"

three_images 64K
start_faulty bad "$tmpdir/2.raw"
start_quorum q "$tmpdir/1.raw" "$(uri_of bad)" "$tmpdir/3.raw" quorum-threshold=2
watch_events q
set_faults bad 'extents EIO'
is "$(timeout 30 nbdinfo --map "$(uri_of q)" | awk '{ print $1, $2, $3 }')" "0 65536 0" "all is data"
is "$(events)" "BAD children.1 read 0+128 Input/output error" "one report"

done_testing
