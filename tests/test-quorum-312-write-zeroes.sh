#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 312, case 6: data are written and read back, zeroed and read back; then
# they are a zero.
. "${0%/*}/quorum-312.sh"

ok "ones are written" qemu_io q -c 'write -P 1 0x250000 0x10000'
ok "and read" qemu_io q -c 'read -P 1 0x250000 0x10000'
is "$(status_map q)" "0x250000+0x10000" "they are data"
ok "they are zeroed" qemu_io q -c 'write -z 0x250000 0x10000'
ok "and zeroes are read" qemu_io q -c 'read -P 0 0x250000 0x10000'
is "$(status_map q)" "" "that are no data"

done_testing
