#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A secondary that is being brought up to date keeps its last checkpoint until that has
# ended: a failover in the middle gives it, not a mixture.
. "${0%/*}/replication-pair-functions.sh"

pattern_image "$tmpdir/a.disk" 64M 0x11
empty_image "$tmpdir/b.disk" 64M
start_standby b
start_primary a b
on a
in_sync_comes "in sync"
does "a checkpoint" replication-checkpoint
kill_nbdkit b
ok "the guest writes to all of it" guest_io a 'write -P 0x22 0 32M' 'write -P 0x22 32M 32M'
stop_nbdkit a
start_standby b
start_primary a b replication-resync-rate=8M
on a
phase_comes "it is copied, slowly" copying
wait_for 30 eval '[ "$(replication_value copy/done)" -gt 4000000 ]'
number "and is in between" copy/done -lt $((64 << 20))
kill_nbdkit a
on b
does "a failover" replication-failover
state_comes "ends" "done"
ok "what is there is the last checkpoint" view_io b 'read -P 0x11 0 32M' 'read -P 0x11 32M 32M'
done_testing
