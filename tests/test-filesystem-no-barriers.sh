#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The counter-test: ext4 that is told to flush nothing (barrier=0) still replays to
# the device, but what was fsynced is missing where only flushed writes survived.
# A check that did not see this would see nothing.
. "${0%/*}/filesystem-functions.sh"
requires_filesystem ext4 mkfs.ext4 e2fsck

fsck() { timeout 60 e2fsck -f -n "$1"; }
record_options=(-o barrier=0)
record_filesystem 32M mkfs.ext4 -q -F
replays_whole
count_lost_marks
isnt "$lost_marks" 0 "$lost_marks of $rounds marks have lost something"
done_testing
