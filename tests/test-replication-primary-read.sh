#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU's case primary/read: before the start a read fails.
. "${0%/*}/replication-pair-functions.sh"

pattern_image "$tmpdir/a.disk" 64M 0x11
empty_image "$tmpdir/b.disk" 64M
start_secondary b
start_primary a b replication-autostart=false
fails_like "a read fails with EIO" 'read failed: Input/output error' guest_io a 'read 0 32M'
on a
error_is "it is not running" "Block replication is not running"
done_testing
