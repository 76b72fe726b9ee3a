#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A write that was given up may still be carried out, whenever the child wakes
# up.  It must not land on top of anything newer.
. "${0%/*}/quorum-fault-functions.sh"
requires_nbdkit_plugin eval

three_images 1M
serve_image two "$tmpdir/2.raw"
start_quorum q "$tmpdir/1.raw" "$(uri_of two)" "$tmpdir/3.raw" quorum-timeout=400ms
watch_events q

for round in 1 2; do
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
stop_nbdkit q

# A server that is only slow with that one write goes on with everything else,
# so a copy of the newer data would overtake it.  It is slow as long as the file
# $hold is there, and for more than one timeout.
image=$tmpdir/2.raw trigger=$tmpdir/trigger hold=$tmpdir/hold
nbdkit_command=$nbdkit_program start_nbdkit slow eval thread_model='echo parallel' \
    can_write='exit 0' can_flush='exit 0' flush='exit 0' get_size="stat -c %s '$image'" \
    pread="dd if='$image' iflag=skip_bytes,count_bytes skip=\$4 count=\$3 bs=1M status=none" \
    pwrite="if rm '$trigger' 2> /dev/null; then sleep 4; while [ -e '$hold' ]; do sleep 0.1; done; fi
        dd of='$image' oflag=seek_bytes seek=\$4 iflag=fullblock bs=1M conv=notrunc status=none"
start_quorum s "$tmpdir/1.raw" "$(uri_of slow)" "$tmpdir/3.raw" quorum-timeout=1500ms
watch_events s
touch "$hold" "$trigger"
ok "a write that takes the child long" qemu_io s -c 'write -P 0xa1 0 64k'
ok "newer data on the same place" qemu_io s -c 'write -P 0xa2 0 64k'
isnt "$(child_value children.1 state)" online "the child is not trusted meanwhile"
rm "$hold"
recovers "the child comes back"
ok "after it has done the old write" child_at_least children.1 counters/late-answers 1
ok "the child holds the new data" holds "$image" 0xa2 0 64K
ok "clients read the new data" qemu_io s -r -c 'read -P 0xa2 0 64k'
identical "the children are equal"
never_differed "nobody was called a liar"
done_testing
