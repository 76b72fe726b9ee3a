#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A write that was given up may still be carried out, whenever the child wakes
# up.  It must not land on top of anything newer.
. "${0%/*}/quorum-fault-functions.sh"

three_images 1M
serve_image two "$tmpdir/2.raw"
start_quorum q "$tmpdir/1.raw" "$(uri_of two)" "$tmpdir/3.raw" quorum-timeout=400ms
watch_events q

for round in 1 2 3 4; do
    freeze "$(pid_of two)"
    # In flight to the frozen child, which will do it when it thaws.
    ok "round $round: a write that the child does not answer" qemu_io q -c 'write -P 0x81 0 64k'
    ok "round $round: it is owed" test "$(child_value children.1 owed-answers)" -ge 1
    ok "round $round: newer data on the same place" qemu_io q -c "write -P 0x9$round 0 48k" \
        -c 'write -z 48k 16k'
    thaw "$(pid_of two)"
    ok "round $round: clients read the new data" \
        qemu_io q -c "read -P 0x9$round 0 48k" -c 'read -P 0 48k 16k'
    recovers "round $round: the child comes back"
    ok "round $round: it has done the old write" \
        test "$(child_value children.1 counters/late-answers)" -ge "$round"
    is "$(child_value children.1 owed-answers)" 0 "round $round: nothing is owed any more"
    ok "round $round: the child holds the new data" holds "$tmpdir/2.raw" 0x9$round 0 48K
    identical "round $round: the children are equal"
done
never_differed "nobody was called a liar"
done_testing
