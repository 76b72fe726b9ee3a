#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A log on something that has a size: an NBD server, a block device.
. "${0%/*}/logwrites-functions.sh"

empty_image "$tmpdir/disk.img" 1M
empty_image "$tmpdir/store" 4M
start_nbdkit store file "$tmpdir/store"
log=$(uri_of store)
start_logwrites l
ok "requests of all kinds" requests l 'write -P 1 0 4k' 'write -z 64k 256k' 'discard 1000 9000' 'write -f 100 50' flush
ok "a mark" mark l here
fails_like "what does not fit is refused" 'No space' qemu_io l -c 'write -z 0 1M' -c 'write -z 0 1M' \
    -c 'write -z 0 1M' -c 'write -z 0 1M'
stop_nbdkit l
(log=$tmpdir/store; [ "$(last_entry)" = '0+0 MARK logwrites-end' ]) && pass "it has its end" || fail "it has its end"
log=$tmpdir/store is_whole "a replay equals the device"
start_logwrites a logwrites-append=true
ok "it can be appended to" requests a 'write -P 7 500k 4k'
stop_nbdkit a
log=$tmpdir/store is_whole "a replay equals the device"
head -c 4k /dev/urandom | dd of="$tmpdir/store" conv=notrunc status=none
refuses_to_start "something else there is not overwritten" 'neither empty nor a log.*Zero its first'
stop_nbdkit store
log=$(uri_of store)
refuses_to_start "a server that is not there" 'logwrites-log: '
done_testing
