#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# resync-pause and resync-cancel where nothing is stale: a pause is seen, a cancel is
# refused, so neither keeps a child stale one day that nobody knows of.
. "${0%/*}/quorum-fault-functions.sh"

three_images 1M
serve_image two "$tmpdir/2.raw"
start_quorum q "$tmpdir/1.raw" "$(uri_of two)" "$tmpdir/3.raw" quorum-timeout=1s
watch_events q

# resync_state: of children.1
resync_state() { control query-resync; value return/1/state; }

refuses "nothing can be cancelled" \
    "Child 'children.1' misses nothing, so there is no resync to be cancelled" \
    resync-cancel child=children.1
is "$(resync_state)" idle "the child is idle as before"
does "a pause holds for what will be missed" resync-pause child=children.1
is "$(resync_state)" paused "and is seen at once"
freeze "$(pid_of two)"
ok "something is missed" qemu_io q -c 'write -P 1 0 64k'
thaw "$(pid_of two)"
ok "the child is back" wait_for 10 child_value_is children.1 state online
is "$(resync_state)" paused "still paused"
is "$(child_value children.1 stale-bytes)" 65536 "and stale"
does "it is resumed" resync-resume child=children.1
recovers "now it is copied"
is "$(resync_state)" idle "and idle again"

done_testing
