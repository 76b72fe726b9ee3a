#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The reference's server dies in the middle: what happens is what on-mismatch says.
. "${0%/*}/blkverify-functions.sh"

two_images 1M 0x71

# begin NAME MODE: a verifier with a reference on a server that is then killed.
begin()
{
    serve_image raw "$tmpdir/raw.raw"
    start_blkverify "$1" blkverify-raw="$(uri_of raw)" blkverify-on-mismatch="$1" \
        blkverify-timeout=3s
    ok "$1: it works" qemu_io "$1" -c 'write -f -P 0x72 0 64k' -c 'read -P 0x72 0 64k'
    [ "$1" = exit ] || watch_events "$1"
    kill_nbdkit raw
}

begin exit
ok "exit: it ends, even without a request" wait_for 10 is_gone "$(pid_of exit)"
wait "$(pid_of exit)"
is "$?" 1 "exit: status 1"
like "$(cat "$tmpdir/exit.log")" 'blkverify: the reference is lost: its link was lost' "exit: says why"

begin error
reference_is away "error: it is away"
fails_like "error: reads fail" 'Input/output error' qemu_io error -c 'read 0 4k'
fails_like "error: writes fail" 'Input/output error' qemu_io error -c 'write -P 0x73 0 4k'
ok "error: and change nothing" holds "$tmpdir/test.raw" 0x72 0 64K
event_comes "error: an event" 5 '^other BLKVERIFY_REFERENCE_LOST'
is "$(mismatches)" 0 "error: it is no mismatch"
serve_image raw "$tmpdir/raw.raw"
reference_is present "error: it comes back"
ok "error: and all is well" qemu_io error -c 'read -P 0x72 0 64k'
stop_nbdkit error
stop_nbdkit raw

begin report
reference_is away "report: it is away"
ok "report: reads and writes go on" qemu_io report -c 'write -P 0x74 128k 64k' \
    -c 'read -P 0x74 128k 64k' -c 'write -z 256k 4k' -c 'discard 260k 4k' -c flush
event_comes "report: an event" 5 '^other BLKVERIFY_REFERENCE_LOST'
is "$(status reference/untrusted-bytes)" $((64 * 1024 + 8192)) "report: what it missed is not trusted"
serve_image raw "$tmpdir/raw.raw"
event_comes "report: it comes back" 20 '^other BLKVERIFY_REFERENCE_BACK .*"untrusted-bytes":73728'
ok "report: what it missed is not compared" qemu_io report -c 'read -P 0x74 128k 64k'
is "$(mismatches)" 0 "report: no false alarm"
ok "report: written again" qemu_io report -c 'write -P 0x75 128k 64k' -c 'read -P 0x75 128k 64k'
is "$(status reference/untrusted-bytes)" 8192 "report: it is trusted again"
is "$(mismatches)" 0 "report: and equal"
stop_nbdkit report
like "$(cat "$tmpdir/report.log")" 'the reference was lost 1 times, and 8192 bytes of it cannot be relied on' \
    "report: the summary says so"
done_testing
