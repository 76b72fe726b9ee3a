#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 041, device not found: only the quorum itself has children.
. "${0%/*}/quorum-041.sh"

start_041 1M
does "repair0 is opened" blockdev-add node-name=repair0 driver=file filename="$tmpdir/repair0"
refuses "another quorum" "Cannot find device='nonexistent' nor node-name='nonexistent'" \
    x-blockdev-change parent=nonexistent node=repair0
refuses "to remove from" "Cannot find device='nonexistent' nor node-name='nonexistent'" \
    x-blockdev-change parent=nonexistent child=children.1
is "$(children)" "$before" "the children are as before"

done_testing
