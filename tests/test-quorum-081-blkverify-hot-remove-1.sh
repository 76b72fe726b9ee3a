#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 081, hot remove in blkverify mode with threshold 1: there is no such
# quorum, and so nothing to remove a child from.
. "${0%/*}/quorum-functions.sh"

three_images 1M
refuses_to_start "it does not start" \
    'blkverify=on can only be set if there are exactly two files and vote-threshold is 2' \
    "$tmpdir"/{1,2}.raw quorum-threshold=1 quorum-blkverify=true
ok "and leaves no control socket" test ! -e "$(control_of refused)"

done_testing
