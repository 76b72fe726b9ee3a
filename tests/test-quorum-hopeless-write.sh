#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A write that cannot succeed, because too few children are there, is sent to none:
# it would only make them differ.
. "${0%/*}/quorum-fault-functions.sh"

three_images 1M 0x31
serve_image two "$tmpdir/2.raw"
serve_image three "$tmpdir/3.raw"
start_quorum q "$tmpdir/1.raw" "$(uri_of two)" "$(uri_of three)"
watch_events q
kill_nbdkit two
kill_nbdkit three
becomes failed "two of three are gone"
for command in 'write -P 0x32 0 64k' 'write -z 0 64k' 'discard 0 64k'; do
    fails_like "$command fails" 'Input/output error' qemu_io q -c "$command"
    ok "and the child that is there was not touched" holds "$tmpdir/1.raw" 0x31 0 1M
done
is "$(child_value children.0 stale-bytes)" 0 "which is believed as before"
done_testing
