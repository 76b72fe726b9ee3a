#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# COLO as QEMU builds it: a quorum (fifo, threshold 1) of the local disk and the
# secondary's export `primary`; the secondary is ruled by its control socket.
. "${0%/*}/replication-pair-functions.sh"

pattern_image "$tmpdir/a.disk" 16M 0x11
cp "$tmpdir/a.disk" "$tmpdir/b.disk"
start_secondary b
on b
does "the secondary starts" xen-set-replication enable=true primary=false
start_nbdkit q --filter="$quorum_filter" \
    file "$tmpdir/a.disk" quorum-child="$(export_uri b primary)" \
    quorum-read-pattern=fifo quorum-threshold=1 quorum-timeout=1s
ok "the guest writes" qemu_io q -c 'write -P 0x22 0 1M' -c flush
ok "the secondary does not see it" view_io b 'read -P 0x11 0 1M'
does "a checkpoint" xen-colo-do-checkpoint
ok "now it does" view_io b 'read -P 0x22 0 1M'
ok "the guest writes on" qemu_io q -c 'write -P 0x33 0 64k' -c 'read -P 0x33 0 64k'
ok "the secondary writes, too" view_io b 'write -P 0x44 2M 64k'
freeze "$(pid_of b)"
within 3000 "a frozen secondary does not stop the guest" qemu_io q -c 'write -P 0x55 4M 64k'
thaw "$(pid_of b)"
kill_nbdkit q
does "failover" xen-set-replication enable=false primary=false failover=true
state_comes "ends" "done"
ok "it has the checkpoint and its own writes" view_io b 'read -P 0x22 0 1M' \
    'read -P 0x44 2M 64k' 'read -P 0x11 4M 64k'
done_testing
