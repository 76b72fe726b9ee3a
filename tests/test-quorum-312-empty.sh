#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 312, case 1: nothing has been written, so everything is a zero.
. "${0%/*}/quorum-312.sh"

is "$(status_map q)" "" "no data"

done_testing
