#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 041, image not found: a file that is not there is not made.
. "${0%/*}/quorum-041.sh"

start_041 1M
refuses "a file that is not there" \
    "child: '$tmpdir/none' does not exist; allowed is an existing file or block device" \
    blockdev-add node-name=repair0 driver=file filename="$tmpdir/none"
fails "in one step" control child-add spec="$tmpdir/none"
ok "nothing has been made" test ! -e "$tmpdir/none"
is "$(children)" "$before" "the children are as before"

done_testing
