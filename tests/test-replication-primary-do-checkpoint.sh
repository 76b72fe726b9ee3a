#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU's case primary/do_checkpoint: it succeeds; and here the secondary makes one.
. "${0%/*}/replication-pair-functions.sh"

empty_image "$tmpdir/a.disk" 8M
empty_image "$tmpdir/b.disk" 8M
start_secondary b
start_primary a b
on a
in_sync_comes "in sync"
wait_for 10 replication_value_is secondary/consistent true
ok "the secondary sees zeroes" view_io b 'read -P 0 0 8M'
ok "the guest writes" guest_io a 'write -P 0x22 0 1M'
ok "which is not seen" view_io b 'read -P 0 0 8M'
does "a checkpoint" xen-colo-do-checkpoint
ok "now it is" view_io b 'read -P 0x22 0 1M' 'read -P 0 1M 7M'
error_is "no error" ""
done_testing
