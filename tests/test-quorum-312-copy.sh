#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 312, case 7: a copy of the quorum is as sparse as its block status.
. "${0%/*}/quorum-312.sh"
requires nbdcopy

on_child 0 write -P 0 0x10000 0x10000
on_child 1 write -P 0 0x10000 0x30000
on_child 2 write -P 0 0x10000 0x20000
ok "data on all" qemu_io q -c 'write -P 0 0x100000 0x40000'
on_child 0 write -z 0x110000 0x10000
on_child 1 write -z 0x110000 0x30000
on_child 2 write -z 0x110000 0x20000
on_child 0 write -P 0 0x200000 0x10000
on_child 1 write -z 0x200000 0x30000
on_child 2 write -P 0 0x200000 0x20000
expected='0x10000+0x30000
0x100000+0x10000
0x120000+0x20000
0x200000+0x20000'
is "$(status_map q)" "$expected" "the map of the quorum"

timeout 20 qemu-img create -q -f qcow2 -o cluster_size=64k "$tmpdir/copy.qcow2" 10M
start_qemu_nbd copy -f qcow2 "$tmpdir/copy.qcow2"
# --sparse=0: what is data is written, even if it is zeroes.
ok "it is copied" timeout 60 nbdcopy --sparse=0 --request-size=65536 --destination-is-zero \
    "$(uri_of q)" "$(uri_of copy)"
is "$(status_map copy)" "$expected" "the map of its copy"

done_testing
