#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The secondary's disk fails to make something durable once, and "succeeds" the next
# time, as Linux does: what was lost must not get into a checkpoint.  It keeps the
# last one until the server is started again, and then the primary copies what was
# written since.
. "${0%/*}/replication-pair-functions.sh"
. "${0%/*}/faulty-functions.sh"

random_image "$tmpdir/a.disk" 1M 1
empty_image "$tmpdir/b.disk" 1M
start_faulty f "$tmpdir/b.disk"
faulty_secondary()
{
    try_nbdkit b --filter="$replication_filter" nbd uri="$(uri_of f)" \
        replication-mode=secondary replication-active="$run/b.active" \
        replication-hidden="$run/b.hidden" replication-identity="$run/b.identity" \
        replication-control="$(control_of b)" || bail_out "the secondary did not start"
}
faulty_secondary
start_primary a b
on a
in_sync_comes "a pair"
ok "the guest writes" guest_io a 'write -P 0x11 0 64k' flush
does "a checkpoint" replication-checkpoint
number=$(replication_value checkpoint)
set_faults f 'flush EIO'
ok "the guest writes on" guest_io a 'write -P 0x22 0 64k'
ok "a checkpoint cannot be made" eval '! control replication-checkpoint'
like "$refusal" "cannot be made durable: Input/output error; nothing has changed.*start this server again" \
    "which is said, and what to do"
# The kernel forgets: the pages are clean now, and their content is gone.
set_faults f
dd if=/dev/zero of="$tmpdir/b.disk" bs=64k count=1 conv=notrunc status=none
ok "the disk seems right again, a checkpoint is refused" eval '! control replication-checkpoint'
is "$(replication_value checkpoint)" "$number" "there is no other one"
ok "the secondary shows the last one" view_io b 'read -P 0x11 0 64k'
ok "the guest does not notice" guest_io a 'write -P 0x33 64k 64k' 'read -P 0x22 0 64k'
on b
error_is "the secondary notes it" "I/O error occurred"
event_is() { grep -q 'making the disk durable' "$tmpdir/b.log"; }
ok "and says so" event_is

kill_nbdkit b
faulty_secondary
on a
in_sync_comes "the server is started again, and what was written since is copied"
ok "a checkpoint" wait_for 20 control replication-checkpoint
ok "with what was lost" view_io b 'read -P 0x22 0 64k' 'read -P 0x33 64k 64k'
done_testing
