#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 312, case 2: where one child has data, there are data, up to the end of the
# longest.
. "${0%/*}/quorum-312.sh"

on_child 0 write -P 0 0x10000 0x10000
on_child 1 write -P 0 0x10000 0x30000
on_child 2 write -P 0 0x10000 0x20000
is "$(status_map q)" "0x10000+0x30000" "the longest"

done_testing
