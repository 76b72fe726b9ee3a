#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The names of children: a new one gets the next number; the number is handed back
# only when the child with the highest one is removed.
. "${0%/*}/quorum-functions.sh"

for i in 0 1 2 3 4 5; do pattern_image "$tmpdir/$i.raw" 64K 0x32; done
start_quorum q "$tmpdir"/{0,1,2}.raw quorum-threshold=1 quorum-name=q
watch_events q

# add NODE IMAGE
add()
{
    control blockdev-add node-name="$1" driver=file filename="$tmpdir/$2.raw" &&
        control x-blockdev-change parent=q node="$1"
}
# is_current NODE: its resync is over, so that it can be removed again.
is_current() { child_value_is "$1" stale-bytes 0 && control query-resync &&
    [[ $answer != *running* ]]; }
remove() { control x-blockdev-change parent=q child="children.$1"; }

ok "add x" add x 3
is "$(children)" "children.0=children.0 children.1=children.1 children.2=children.2 children.3=x" \
    "x is children.3"
ok "x is filled" wait_for 10 is_current x
ok "remove the last one" remove 3
ok "add y" add y 4
is "$(children)" "children.0=children.0 children.1=children.1 children.2=children.2 children.3=y" \
    "y gets the name that is free"
ok "y is filled" wait_for 10 is_current y
ok "remove one from the middle" remove 1
is "$(children)" "children.0=children.0 children.2=children.2 children.3=y" "the names have a gap"
ok "add z" add z 5
is "$(children)" "children.0=children.0 children.2=children.2 children.3=y children.4=z" \
    "z does not get the name in the gap"
ok "z is filled" wait_for 10 is_current z
refuses "the name in the gap is nobody's" "Node 'q' does not have child 'children.1'" \
    x-blockdev-change parent=q child=children.1
ok "remove the second last one" remove 3
ok "remove the last one" remove 4
ok "add x again" add x 3
is "$(children)" "children.0=children.0 children.2=children.2 children.4=x" \
    "only one number is handed back"

# The order of the vote is that of the children, whatever the gaps.
ok "x is filled" wait_for 10 is_current x
overwrite "$tmpdir/2.raw" 0x33 0 64K
overwrite "$tmpdir/3.raw" 0x34 0 64K
ok "of three versions the last one wins" qemu_io q -c 'read -P 0x34 0 4k'

done_testing
