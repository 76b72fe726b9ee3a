#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A child that answers each read just after its timeout stalls clients now and then,
# and less and less often: it is left alone for longer each time.
. "${0%/*}/quorum-fault-functions.sh"
requires_nbdkit_filter delay

three_images 64K 0x21
start_nbdkit three --filter=delay file "$tmpdir/3.raw" delay-read=1200ms
start_quorum q "$tmpdir"/{1,2}.raw "$(uri_of three)" quorum-timeout=1s
watch_events q

timeouts() { child_value children.2 counters/timeouts; }

# reads_for MILLISECONDS: reads all the time; sets $share, how many percent of that
# the child has stalled (each of its timeouts is one), and $reads.
reads_for()
{
    local before all=0 limit=$1
    before=$(timeouts)
    reads=0
    while [ $all -lt "$limit" ]; do
        milliseconds qemu_io q -r -c 'read -P 0x21 0 4k' > "$tmpdir/read.log" ||
            fail "a read" "$(cat "$tmpdir/read.log")"
        all=$((all + elapsed))
        reads=$((reads + 1))
    done
    share=$((($(timeouts) - before) * 100000 / all))
}

reads_for 10000
diag "first: $reads reads, the child stalled $share % of the time"
ok "it stalls less than half of the time at first" test $share -lt 50
ok "and it does stall" test $share -gt 0
reads_for 10000
diag "then: $reads reads, $share %"
ok "and less than a quarter later" test $share -lt 25

ok "it has fallen again and again" test "$(child_value children.2 relapses)" -ge 4
event_comes "the event says how often, and what follows" 1 \
    'QUORUM_CHILD_STATE.*missed a deadline: [4-9] times now; it is not used again within (8|16|32) s'
ok "it has answered everything" wait_for 10 child_value_is children.2 owed-answers 0
is "$(child_value children.2 state)" suspect "and is not used yet"
ok "but waits" test "$(child_value children.2 waits-ms)" -gt 0
does "until a person says that it is well" resync-start child=children.2
ok "then it is used" wait_for 2 child_value_is children.2 state online
is "$(child_value children.2 relapses)" 0 "as if nothing had been"
never_differed "nobody was called a liar"

# When another one is gone it is needed, and slow data are better than none.
_waits() { qemu_io q -r -c 'read 0 4k' && child_at_least children.2 waits-ms 1; }
ok "it waits again" wait_for 20 _waits
does "another child goes" child-remove child=children.1
ok "it is needed, and need not wait" wait_for 5 child_value_is children.2 state online
done_testing
