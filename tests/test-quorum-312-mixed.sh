#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 312, case 5: data on two children where the third has zeroes.
. "${0%/*}/quorum-312.sh"

on_child 0 write -P 0 0x200000 0x10000
on_child 1 write -z 0x200000 0x30000
on_child 2 write -P 0 0x200000 0x20000
is "$(status_map q)" "0x200000+0x20000" "as long as the longest data"

done_testing
