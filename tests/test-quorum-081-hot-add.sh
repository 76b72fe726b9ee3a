#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 081, hot add: a node that was opened becomes a child.
. "${0%/*}/quorum-functions.sh"

three_images 1M 0x32
start_quorum q "$tmpdir"/{1,2}.raw quorum-threshold=2 quorum-name=drive0-quorum
watch_events q
does "the node is opened" blockdev-add node-name=drive3 driver=file filename="$tmpdir/3.raw"
does "and added" x-blockdev-change parent=drive0-quorum node=drive3
is "$(children)" "children.0=children.0 children.1=children.1 children.2=drive3" "it is a child"
ok "what is written now" qemu_io q -c 'write -P 0x33 0 1M'
ok "is written to it, too" holds "$tmpdir/3.raw" 0x33 0 1M

done_testing
