#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 041, no node name: a node that is to be added needs one; child-add, which
# does both steps, calls the child by its place.
. "${0%/*}/quorum-041.sh"

start_041 1M
refuses "no node name" "Parameter 'node-name' is missing" blockdev-add driver=file \
    filename="$tmpdir/repair0"
does "in one step" child-add spec="$tmpdir/repair0"
is "$(value return/child)" children.3 "the answer is its name"
is "$(children)" "$before children.3=children.3" "and its node name"

done_testing
