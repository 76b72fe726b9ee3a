#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU's case primary/get_error_all, and an error: a write that the secondary fails is
# the secondary's loss, not the guest's, and everybody is told.
. "${0%/*}/replication-pair-functions.sh"

empty_image "$tmpdir/a.disk" 8M
empty_image "$tmpdir/b.disk" 8M
below_filters=(--filter=error)
below_parameters=(error-pwrite=EIO error-pwrite-rate=100% error-pwrite-file="$tmpdir/fail")
start_secondary b
start_primary a b
on a
in_sync_comes "in sync"
error_is "no error" ""
touch "$tmpdir/fail"
ok "the guest writes, and hears of no error" guest_io a 'write -P 0x22 1M 64k'
number "the error is counted" counters/secondary-errors -gt 0
like "$(replication_value last-error)" 'Input/output error' "and named"
error_is "QEMU's query says so" "I/O error occurred"
fails "no checkpoint of that" control replication-checkpoint
rm "$tmpdir/fail"
in_sync_comes "when the secondary can write again, it gets what it missed"
does "a checkpoint" replication-checkpoint
stop_nbdkit a
stop_nbdkit b
same_content "$tmpdir/a.disk" "$tmpdir/b.disk" "the disks are equal"
done_testing
