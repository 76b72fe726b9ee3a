#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The message of blkverify mode names the first byte that differs.
. "${0%/*}/quorum-functions.sh"

pattern_image "$tmpdir/1.raw" 10M 0x32
pattern_image "$tmpdir/2.raw" 10M 0x32
overwrite "$tmpdir/2.raw" 0x42 1234567 1
start_quorum q "$tmpdir"/{1,2}.raw quorum-threshold=2 quorum-blkverify=true
ok "what is equal can be read" qemu_io q -c 'read -P 0x32 0 1M'
fails "what differs cannot" qemu_io q -c 'read 1M 1M'
ok "the process ends" wait_for 5 is_gone "$(pid_of q)"
is "$(grep 'contents mismatch' "$tmpdir/q.log")" \
    "quorum: offset=1048576 bytes=1048576 contents mismatch at offset 1234567" "the byte is named"

done_testing
