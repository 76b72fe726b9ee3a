#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A promoted secondary refuses the old primary, with the reason, also after a
# restart, and serves on.
. "${0%/*}/replication-functions.sh"

random_image "$tmpdir/s.disk" 1M 1
start_secondary s replication-bitmap="$tmpdir/s.bitmap"
says() { client command s "$@" > "$tmpdir/said"; }
said() { is "$(sed -n "s/^$2=//p" "$tmpdir/said")" "$3" "$1"; }
says hello
says start
says sync-begin full=1
says sync-end
says checkpoint checkpoint=5
said "there is a checkpoint" consistent true
ok "the primary writes on" primary_io s 'write -P 0x22 0 64k'
watch_events s
ok "the secondary, too" view_io s 'write -P 0x33 512k 4k'
does "failover" replication-failover
state_comes "ends" "done"
is "$(replication_value epoch) $(replication_value role)" "2 promoted" "in the next epoch"
is "$(replication_value differing-bytes)" 131072 "it knows what the other side lacks"
ok "it writes on" view_io s 'write -P 0x44 256k 4k' flush
is "$(replication_value differing-bytes)" 196608 "and that, too"
says hello
said "the old primary is refused" refusal stale-epoch
like "$(cat "$tmpdir/said")" 'promoted to primary in epoch 2, and the sender is of epoch 1' \
    "with the reason"
says hello epoch=3
said "whatever it says" refusal promoted
event_comes "which is told" 5 'REPLICATION_REFUSED'
kill_nbdkit s
start_secondary s replication-bitmap="$tmpdir/s.bitmap"
watch_events s
state_is "after a restart it serves" "done"
is "$(replication_value differing-bytes)" 196608 "and still knows what differs"
says hello
said "and refuses" refusal stale-epoch
ok "and is as it was" view_io s 'read -P 0x44 256k 4k' 'read -P 0x33 512k 4k'
done_testing
