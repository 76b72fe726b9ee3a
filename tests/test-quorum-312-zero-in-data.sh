#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 312, case 3: zeroes in data, differently long on each child, are zeroes up
# to the end of the shortest.
. "${0%/*}/quorum-312.sh"

ok "data on all" qemu_io q -c 'write -P 0 0x100000 0x40000'
is "$(status_map q)" "0x100000+0x40000" "are data"
on_child 0 write -z 0x110000 0x10000
on_child 1 write -z 0x110000 0x30000
on_child 2 write -z 0x110000 0x20000
is "$(status_map q)" "0x100000+0x10000
0x120000+0x20000" "the shortest"

done_testing
