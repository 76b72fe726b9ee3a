#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The reference is flushed, too, and what its flush says is compared.
. "${0%/*}/blkverify-functions.sh"

two_images 1M
start_faulty raw "$tmpdir/raw.raw"
start_blkverify v blkverify-raw="$(uri_of raw)" blkverify-on-mismatch=report
watch_events v
ok "a flush" qemu_io v -c flush
no_false_alarm "both succeed"
set_faults raw 'flush EIO'
ok "the client is told what the device under test said" qemu_io v -c flush
isnt "$(mismatches)" 0 "the reference was flushed, and failed"
control query-mismatches
is "$(value return/0/message)" "blkverify: flush offset=0 bytes=0 return value mismatch 0 != -5" \
    "QEMU's text"
done_testing
