#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# All connections break for a moment, with a write that has been acknowledged and not
# flushed.  The servers live.  Within 5 s of the links' return the device works again,
# by itself, and the write is there.
. "${0%/*}/quorum-link-functions.sh"

three_images 2M 0x41
serve_image one "$tmpdir/1.raw"
serve_image two "$tmpdir/2.raw"
serve_image three "$tmpdir/3.raw"
switches_on one two three
start_quorum q "$(switched one)" "$(switched two)" "$(switched three)" quorum-timeout=2s
watch_events q

works() { qemu_io q -r -c 'read -P 0x42 8k 4k' && qemu_io q -c flush; }

for round in 1 2; do
    ok "round $round: a write that is not flushed" \
        write_unflushed q 'write -P 0x42 8k 4k' "write -P 0x5$round 1M 256k"
    switches_off one two three
    becomes failed "round $round: the loss is noticed"
    fails_within 1500 "round $round: a read fails at once" qemu_io q -r -c 'read 8k 4k'
    stop_writing
    switches_on one two three
    ok "round $round: it works again within 5 s" wait_for 5 works
    ok "round $round: the other write is there, too" qemu_io q -r -c "read -P 0x5$round 1M 256k"
    recovers "round $round: all children are back"
done
ok "it can be written" qemu_io q -c 'write -P 0x43 8k 4k' -c flush -c 'read -P 0x43 8k 4k'
identical "the children are equal"
never_differed "nobody was called a liar"
done_testing
