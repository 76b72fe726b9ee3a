#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# ext4, recorded while it is used: the log replays to the device, and what was
# fsynced before a mark is there at the mark.
. "${0%/*}/filesystem-functions.sh"
requires_filesystem ext4 mkfs.ext4 e2fsck

fsck() { timeout 60 e2fsck -f -n "$1"; }
record_filesystem 32M mkfs.ext4 -q -F
replays_whole
# shellcheck disable=SC2119
every_mark_is_served
done_testing
