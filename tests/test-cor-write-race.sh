#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A read that is slow must not overwrite a write that came meanwhile with what the
# source had (as nbdkit's own cow filter with cow-on-read does).
. "${0%/*}/cor-functions.sh"

pattern_image "$tmpdir/source.raw" 1M 0x11
slow_source slow "$tmpdir/source.raw" 700ms

# race NAME WRITE-COMMAND CHECK...: the command is sent while 0 to 128k is fetched.
race()
{
    local name=$1 write=$2 reader
    shift 2
    start_cor c "$(uri_of slow)"
    timeout 60 qemu-io -f raw -r -c 'read -P 0x11 0 128k' "$(uri_of c)" \
        > "$tmpdir/reader.out" 2>&1 &
    reader=$!
    wait_for 20 counter_at_least c fetches 1
    ok "$name while the cluster is on its way" qemu_io c -c "$write" -c flush
    wait $reader
    ok "$name: it is there" qemu_io c "$@"
    kill_nbdkit c
    start_cor c "$(uri_of slow)"
    ok "$name: and after a crash" qemu_io c "$@"
    stop_nbdkit c
    rm -f "$(copy_of c)" "$(copy_of c).map"
}
race "a write" 'write -P 0x22 0 64k' -c 'read -P 0x22 0 64k' -c 'read -P 0x11 64k 64k'
race "a part" 'write -P 0x22 1000 2000' -c 'read -P 0x11 0 1000' -c 'read -P 0x22 1000 2000' \
    -c 'read -P 0x11 3000 62536'
race "zeroes" 'write -z 0 64k' -c 'read -P 0 0 64k' -c 'read -P 0x11 64k 64k'
done_testing
