#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU's case secondary/read: before the start a read is EIO.
. "${0%/*}/replication-functions.sh"

pattern_image "$tmpdir/s.disk" 64M 0x11
start_secondary s
fails_like "all of the disk" 'read failed: Input/output error' view_io s 'read 0 64M'
fails_like "one sector" 'read failed: Input/output error' view_io s 'read 0 512'
fails_like "the export of the primary" 'read failed: Input/output error' \
    primary_io s 'read 0 64k'
done_testing
