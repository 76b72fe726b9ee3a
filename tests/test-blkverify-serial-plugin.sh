#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A plugin that cannot serve requests in parallel: all works the same.
. "${0%/*}/blkverify-functions.sh"

two_images 1M 0x31
serve_image raw "$tmpdir/raw.raw"
for raw in "$tmpdir/raw.raw" "$(uri_of raw)"; do
    # One filter that serialises is enough.
    below=(--filter=noparallel file "$tmpdir/test.raw" serialize=all-requests)
    start_blkverify v blkverify-raw="$raw" blkverify-on-mismatch=report
    watch_events v
    ok "what was read is right" stress v --requests=2000 --connections=3
    no_false_alarm "no false alarm"
    is "$(operation read compared)" "$(operation read requests)" "every read was compared"
    overwrite "$tmpdir/test.raw" 0x77 5000 1
    ok "a difference" qemu_io v -c 'read 0 64k'
    is "$(mismatches)" 1 "is found"
    overwrite "$tmpdir/raw.raw" 0x77 5000 1
    stop_nbdkit v
done
done_testing
