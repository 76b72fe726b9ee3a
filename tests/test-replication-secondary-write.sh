#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU's case secondary/write: before the start a write is EIO, and changes nothing.
. "${0%/*}/replication-functions.sh"

pattern_image "$tmpdir/s.disk" 64M 0x11
start_secondary s
fails_like "all of the disk" 'write failed: Input/output error' view_io s 'write 0 64M'
fails_like "the export of the primary" 'write failed: Input/output error' \
    primary_io s 'write 0 64k'
fails_like "zeroes" 'write failed: Input/output error' view_io s 'write -z 0 64k'
stop_nbdkit s
ok "the disk is as it was" holds "$tmpdir/s.disk" 0x11 0 64M
done_testing
