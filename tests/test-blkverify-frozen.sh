#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The reference freezes (SIGSTOP) in the middle: nobody waits longer than its
# timeout, and what happens is what on-mismatch says.
. "${0%/*}/blkverify-functions.sh"

two_images 1M 0x71

# begin NAME: a verifier whose reference is then frozen.
begin()
{
    serve_image raw "$tmpdir/raw.raw"
    start_blkverify "$1" blkverify-raw="$(uri_of raw)" blkverify-on-mismatch="$1" \
        blkverify-timeout=1s
    ok "$1: it works" qemu_io "$1" -c 'write -f -P 0x72 0 64k' -c 'read -P 0x72 0 64k'
    [ "$1" = exit ] || watch_events "$1"
    freeze "$(pid_of raw)"
}
finish()
{
    stop_nbdkit "$1"
    thaw "$(pid_of raw)" 2> /dev/null
    stop_nbdkit raw
}

begin exit
fails "exit: the client gets nothing" qemu_io exit -c 'read 4k 8k'
ends exit exit 'blkverify: the reference is lost: read offset=4096 bytes=8192 was not answered within 1 s'
thaw "$(pid_of raw)"
stop_nbdkit raw

begin error
fails_within 8000 "error: EIO after one timeout" qemu_io error -c 'read 4k 8k'
fails_within 900 "error: and then at once" qemu_io error -c 'read 4k 8k'
fails "error: writes, too" qemu_io error -c 'write 4k 8k'
thaw "$(pid_of raw)"
reference_is present "error: it comes back"
ok "error: and all is well" qemu_io error -c 'read -P 0x72 0 64k'
is "$(mismatches)" 0 "error: it was no mismatch"
finish error

begin report
within 8000 "report: a write waits once" qemu_io report -c 'write -P 0x74 128k 64k'
within 900 "report: and then nobody waits" qemu_io report -c 'read -P 0x74 128k 64k' \
    -c 'write -P 0x75 132k 4k' -c flush
event_comes "report: an event" 5 \
    '^other BLKVERIFY_REFERENCE_LOST .*"write offset=131072 bytes=65536 was not answered within 1 s"'
is "$(status reference/untrusted-bytes)" 65536 "report: what it missed is not trusted"
is "$(status reference/owed-answers)" 1 "report: it owes one answer"
thaw "$(pid_of raw)"
event_comes "report: it comes back" 20 '^other BLKVERIFY_REFERENCE_BACK'
is "$(status reference/owed-answers)" 0 "report: and owes nothing"
ok "report: what it missed is not compared" qemu_io report -c 'read -P 0x75 132k 4k'
ok "report: all is well after a write" qemu_io report -c 'write -P 0x76 128k 64k' \
    -c 'read -P 0x76 128k 64k'
is "$(mismatches)+$(status reference/untrusted-bytes)" 0+0 "report: no false alarm"
finish report
done_testing
