#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# btrfs, recorded while it is used: the log replays to the device, and what was
# fsynced before a mark is there at the mark.
. "${0%/*}/filesystem-functions.sh"
requires_filesystem btrfs mkfs.btrfs btrfs

# The kernel remembers disks by their UUID, and each state has the same.
fsck()
{
    timeout 60 btrfs check --readonly "$1"
    local status=$?
    timeout 10 btrfs device scan --forget > /dev/null 2>&1
    return $status
}
record_filesystem 160M mkfs.btrfs -q -f
timeout 10 btrfs device scan --forget > /dev/null 2>&1
replays_whole
# shellcheck disable=SC2119
every_mark_is_served
done_testing
