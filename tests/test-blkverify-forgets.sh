#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A reference whose server is restarted may have forgotten what was not flushed:
# that is not compared until it is written again, and all else is.
. "${0%/*}/blkverify-functions.sh"

two_images 1M 0x41
# The overlay is the memory of the server: a crash takes it away.
serve_raw() { start_nbdkit raw --filter=cow file "$tmpdir/raw.raw"; }
serve_raw
start_blkverify v blkverify-raw="$(uri_of raw)" blkverify-on-mismatch=report blkverify-timeout=2s
watch_events v
ok "zeroes that nobody flushes" perl "$abs_top_srcdir/tests/nbd-request.pl" "$tmpdir/v.sock" \
    zero 262144 4096
kill_nbdkit raw
reference_is away "the reference is away"
serve_raw
reference_is present "it is back"
ok "it has forgotten them" qemu_io raw -c 'read -P 0x41 256k 4k'
is "$(status reference/untrusted-bytes)" 65536 "that is known, to 64 KiB"
ok "the device under test has them" qemu_io v -c 'read -P 0 256k 4k'
is "$(mismatches)" 0 "and this is no mismatch"
overwrite "$tmpdir/test.raw" 0x99 512K 1
ok "elsewhere it is compared" qemu_io v -c 'read 512k 4k'
is "$(mismatches)" 1 "a difference is found"
ok "written again" qemu_io v -c 'write -P 0x42 256k 64k' -c 'read -P 0x42 256k 64k'
is "$(status reference/untrusted-bytes)" 0 "all is trusted again"
is "$(mismatches)" 1 "and equal"
done_testing
