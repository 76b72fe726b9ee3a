#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 081, mixed definitions: children given in different ways (a path, a name
# with an NBD URI, a command) form one quorum; the event calls the child by its
# name, and without an errno has no error.
. "${0%/*}/quorum-functions.sh"

three_images 10M 0x32
overwrite "$tmpdir/2.raw" 0x42 0 10M
start_nbdkit second file "$tmpdir/2.raw"
start_quorum q "$tmpdir/1.raw" quorum-child.drive2="$(uri_of second)" \
    "[ nbdkit file $tmpdir/3.raw ]" quorum-threshold=2
watch_events q
is "$(children)" "children.0=children.0 children.1=children.1 children.2=drive2" \
    "children without a place come in the order in which they are given"
ok "the data are right" qemu_io q -c 'read -P 0x32 0 10M'
is "$(events)" "BAD drive2 read 0+20480" "one event, of the named child, without an error"

done_testing
