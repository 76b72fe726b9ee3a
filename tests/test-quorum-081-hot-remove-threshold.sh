#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 081, hot remove below the threshold: refused.
. "${0%/*}/quorum-functions.sh"

three_images 1M 0x32
start_quorum q "$tmpdir"/{1,2}.raw quorum-threshold=2 quorum-name=drive0-quorum
watch_events q
refuses "two are needed" "The number of children cannot be lower than the vote threshold 2" \
    x-blockdev-change parent=drive0-quorum child=children.1
is "$(children)" "children.0=children.0 children.1=children.1" "both are there"
ok "and in use" qemu_io q -c 'write -P 0x33 0 1M'
ok "the second, too" holds "$tmpdir/2.raw" 0x33 0 1M
stop_nbdkit q

start_quorum last "$tmpdir/1.raw" quorum-threshold=1
watch_events last
refuses "the last child stays" "The number of children cannot be lower than the vote threshold 1" \
    x-blockdev-change parent=quorum child=children.0

done_testing
