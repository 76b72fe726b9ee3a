#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 312, case 4: zeroes that were written, differently long on each child, in
# surroundings where nothing was written: zeroes.
. "${0%/*}/quorum-312.sh"

on_child 0 write -z 0x150000 0x10000
on_child 1 write -z 0x150000 0x30000
on_child 2 write -z 0x150000 0x20000
is "$(status_map q)" "" "no data"

done_testing
