#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 041, other parent: an image that somebody else writes to does not become a
# child, and neither does one that is a child already.
. "${0%/*}/quorum-041.sh"
requires qemu-nbd

start_041 1M
other_writer other "$tmpdir/repair0"
in_use="child: '$tmpdir/repair0' is in use: another process has it open"
fails "an image that qemu-nbd writes to" control blockdev-add node-name=repair0 \
    spec="$tmpdir/repair0"
control blockdev-add node-name=repair0 spec="$tmpdir/repair0"
like "$refusal" "^$in_use" "the message says so"
refuses "a child" "The node img1 already has a parent" x-blockdev-change parent=quorum0 node=img1
fails "a child's image" control child-add spec="$tmpdir/img1"
is "$(children)" "$before" "the children are as before"
stop_nbdkit other
does "when the other one has ended" child-add spec="$tmpdir/repair0" name=repair0

done_testing
