#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What happens when the two sides differ: exit, error and report.
. "${0%/*}/blkverify-functions.sh"

two_images 1M 0x61
overwrite "$tmpdir/test.raw" 0x62 123456 1

start_blkverify exit
ok "exit: what is equal" qemu_io exit -c 'read 0 64k'
fails "exit: what differs" qemu_io exit -c 'read 64k 64k'
ends exit "exit" 'blkverify: read offset=65536 bytes=65536 contents mismatch at offset 123456'

start_blkverify error blkverify-on-mismatch=error
watch_events error
fails_like "error: the client gets EIO for that read" 'Input/output error' \
    qemu_io error -c 'read 64k 64k'
ok "error: and data for others" qemu_io error -c 'read -P 0x61 0 64k'
is "$(mismatches)" 1 "error: it was counted"
event_comes "error: an event" 5 '^other BLKVERIFY_MISMATCH .*"position":123456'
stop_nbdkit error
is "$?" 0 "error: the server ends well"

start_blkverify report blkverify-on-mismatch=report blkverify-name=new-disk
watch_events report
ok "report: the client gets the data of the device under test" \
    qemu_io report -c 'read -P 0x62 123456 1' -c 'read 64k 64k'
is "$(mismatches)" 2 "report: they were counted"
is "$(operation read mismatches)" 2 "report: as reads"
event_comes "report: an event" 5 '^other BLKVERIFY_MISMATCH .*"name":"new-disk"'
like "$(cat "$tmpdir/report.log")" \
    'new-disk: mismatch 2: read offset=65536 bytes=65536 contents mismatch at offset 123456 \(1 bytes in 1 sectors differ\)' \
    "report: a line of the log"
stop_nbdkit report
is "$?" 0 "report: the server ends well"
like "$(tail -n 3 "$tmpdir/report.log")" 'new-disk: 2 mismatches; 65537 bytes were read and compared' \
    "report: the summary"
done_testing
