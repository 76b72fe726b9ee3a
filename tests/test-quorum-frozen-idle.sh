#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A child that froze while nothing was going on: the next read, write, flush,
# zero or trim waits for it once, for its timeout; after that nobody waits.  When
# it thaws it gets what it missed.
. "${0%/*}/quorum-fault-functions.sh"

random_image "$tmpdir/1.raw" 2M "$SEED"
cp "$tmpdir/1.raw" "$tmpdir/2.raw"
cp "$tmpdir/1.raw" "$tmpdir/3.raw"
serve_image two "$tmpdir/2.raw"
start_quorum q "$tmpdir/1.raw" "$(uri_of two)" "$tmpdir/3.raw" quorum-timeout=1500ms
watch_events q

# try NAME COMMAND COMMAND: as qemu-io's commands.
try()
{
    freeze "$(pid_of two)"
    within 4000 "$1 on a frozen child succeeds" qemu_io q -c "$2"
    is "$(child_value children.1 counters/timeouts)" $((++timeouts)) "$1: the child was given up once"
    within 1000 "$1: the next one does not wait" qemu_io q -c "$3"
    thaw "$(pid_of two)"
    control resync-start child=children.1  # it need not wait for its relapses
    recovers "$1: the child comes back"
}
timeouts=0
try read 'read 0 64k' 'read 0 64k'
# The child does the first one of each late; the second it never gets.
try write 'write -P 0x10 64k 64k' 'write -P 0x11 64k 64k'
try flush flush flush
try zero 'write -z 128k 64k' 'write -z 256k 64k'
try trim 'discard 192k 64k' 'discard 320k 64k'

ok "what was written is there" qemu_io q -c 'read -P 0x11 64k 64k' -c 'read -P 0 128k 256k'
identical "the children are equal"
never_differed "nobody was called a liar"
done_testing
