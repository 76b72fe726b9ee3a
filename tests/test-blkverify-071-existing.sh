#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU's test 071, cases 5 and 6: the device under test, or the reference, is
# something that is served already; a mismatch ends the verifier, not that server.
. "${0%/*}/blkverify-functions.sh"
requires qemu-nbd

message='blkverify: read offset=0 bytes=512 contents mismatch at offset 0'
two_images 64M
overwrite "$tmpdir/test.raw" 42 0 512

start_qemu_nbd drive0 -f raw "$tmpdir/test.raw"
below=(nbd socket="$tmpdir/drive0.sock")
start_blkverify test
fails "case 5: the client gets nothing" qemu_io test -c 'read 0 512'
ends test "case 5" "$message"
ok "case 5: the server of the device goes on" qemu_io drive0 -c 'read -P 42 0 512'
end_process "$(pid_of drive0)"

start_qemu_nbd drive1 -f raw "$tmpdir/raw.raw"
below=(file "$tmpdir/test.raw")
start_blkverify raw blkverify-raw="$(uri_of drive1)"
fails "case 6: the client gets nothing" qemu_io raw -c 'read 0 512'
ends raw "case 6" "$message"
ok "case 6: the server of the reference goes on" qemu_io drive1 -c 'read -P 0 0 512'
done_testing
