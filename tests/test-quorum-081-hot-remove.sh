#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 081, hot remove: as long as enough children are left for the threshold.
. "${0%/*}/quorum-functions.sh"

three_images 1M 0x32
start_quorum q "$tmpdir"/{1,2}.raw quorum-threshold=1 quorum-name=drive0-quorum
watch_events q
does "a child is removed" x-blockdev-change parent=drive0-quorum child=children.1
is "$(children)" "children.0=children.0" "it is gone"
ok "the other is there" qemu_io q -c 'read -P 0x32 0 1M'
ok "and is written" qemu_io q -c 'write -P 0x33 0 1M'
ok "the removed one is not" holds "$tmpdir/2.raw" 0x32 0 1M
ok "it has been let go: others may write to it" \
    timeout 20 qemu-io -f raw -c 'write 0 64k' "$tmpdir/2.raw"

done_testing
