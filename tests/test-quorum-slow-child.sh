#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A child that is much slower than its peers is said to be slow, and read-pattern=fifo,
# which asks one child, asks another one.
. "${0%/*}/quorum-fault-functions.sh"
requires_nbdkit_filter delay

three_images 64K 0x21
start_nbdkit one --filter=delay file "$tmpdir/1.raw" delay-read=60ms
start_quorum q "$(uri_of one)" "$tmpdir"/{2,3}.raw quorum-read-pattern=fifo
watch_events q

reads=()
for _ in {1..20}; do reads+=(-c 'read -P 0x21 0 4k'); done
milliseconds qemu_io q -r "${reads[@]}" > "$tmpdir/first.log"
first=$elapsed
ok "twenty reads take twenty times its time ($first ms)" test "$first" -ge 1200
is "$(child_value children.0 slow-reads)" 0 "nothing is known of the others yet"
_slow() { qemu_io q -r -c 'read 0 4k' && child_value_is children.0 slow-reads 1; }
ok "after some more it is slow" wait_for 30 _slow
event_comes "an event says so" 5 \
    'QUORUM_CHILD_SPEED .*"child":"children.0".*"operation":"read".*"slow":(true|1)'
ok "it is measured" child_at_least children.0 read-us 60000
is "$(child_value children.0 slow-writes)" 0 "its writes are not slow"
control query-status
is "$(value return/children-slow)" 1 "the status counts it"
is "$(value return/status)" healthy "which is no fault"
like "$(cat "$tmpdir/q.log")" "child 'children.0': slow in each read: [0-9]+ us, the others [0-9]+ us" \
    "and the log"

before=$(child_value children.0 counters/reads)
milliseconds qemu_io q -r "${reads[@]}" > "$tmpdir/later.log"
ok "now the reads do not wait for it ($elapsed ms)" test "$elapsed" -lt $((first / 2))
is "$(child_value children.0 counters/reads)" "$before" "it is not asked"
ok "a write goes to all as before" qemu_io q -c 'write -P 0x22 0 4k'
identical "the children are equal"
done_testing
