#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU's case primary/write: before the start a write fails, and changes nothing.
. "${0%/*}/replication-pair-functions.sh"

pattern_image "$tmpdir/a.disk" 64M 0x11
empty_image "$tmpdir/b.disk" 64M
start_secondary b
start_primary a b replication-autostart=false
fails_like "a write fails with EIO" 'write failed: Input/output error' guest_io a 'write 0 32M'
stop_nbdkit a
ok "the disk is as it was" holds "$tmpdir/a.disk" 0x11 0 64M
done_testing
