#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 081, hot remove in blkverify mode with threshold 2: refused.
. "${0%/*}/quorum-functions.sh"

three_images 1M
start_quorum q "$tmpdir"/{1,2}.raw quorum-threshold=2 quorum-blkverify=true \
    quorum-name=drive0-quorum
watch_events q
refuses "two are needed" "The number of children cannot be lower than the vote threshold 2" \
    x-blockdev-change parent=drive0-quorum child=children.1
is "$(children)" "children.0=children.0 children.1=children.1" "both are there"

done_testing
