#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 041, nonexistent replaces: a child that is not there can neither be removed
# nor told what to do.
. "${0%/*}/quorum-041.sh"

start_041 1M
missing="Node 'quorum0' does not have child 'img77'"
refuses "remove" "$missing" x-blockdev-change parent=quorum0 child=img77
refuses "child-remove" "$missing" child-remove child=img77
for command in resync-pause resync-resume resync-cancel resync-start invalidate-cache; do
    refuses "$command" "$missing" "$command" child=img77
done
is "$(children)" "$before" "the children are as before"

done_testing
