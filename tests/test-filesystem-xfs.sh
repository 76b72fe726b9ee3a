#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# XFS, recorded while it is used: the log replays to the device, and what was
# fsynced before a mark is there at the mark.
. "${0%/*}/filesystem-functions.sh"
requires_filesystem xfs mkfs.xfs xfs_repair

fsck() { timeout 60 xfs_repair -n "$1"; }
record_filesystem 320M mkfs.xfs -q -f
replays_whole
every_mark_is_served -o nouuid
done_testing
