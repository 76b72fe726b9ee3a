#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Each parameter says what is wrong with its value and what is allowed.
. "${0%/*}/logwrites-functions.sh"

empty_image "$tmpdir/disk.img" 1M
for size in 0 1 16 31 32 33 256 4095 16777216 4294967296 4294967808; do
    refuses_to_start "sector size $size" \
        "logwrites-sector-size: Invalid log sector size $size: allowed is a power of two from 512 to 8388608 bytes .below 512 there is no room" \
        logwrites-sector-size=$size
done
refuses_to_start "sector size abc" 'logwrites-sector-size' logwrites-sector-size=abc
refuses_to_start "sector size -1" 'logwrites-sector-size' logwrites-sector-size=-1
refuses_to_start "interval 0" 'Invalid log superblock update interval 0' logwrites-super-update-interval=0
refuses_to_start "interval abc" 'logwrites-super-update-interval' logwrites-super-update-interval=abc
refuses_to_start "interval -1" 'logwrites-super-update-interval' logwrites-super-update-interval=-1
refuses_to_start "full" 'logwrites-full=wrap: expects error or stop' logwrites-full=wrap
for key in append ext sync; do
    refuses_to_start "$key" "logwrites-$key" logwrites-$key=perhaps
done
refuses_to_start "mark offset 100" 'must be a multiple of 512' logwrites-mark-offset=100
refuses_to_start "mark offset behind the end" 'must be inside the device, which has 1048576' \
    logwrites-mark-offset=1M
refuses_to_start "mark offset abc" 'logwrites-mark-offset' logwrites-mark-offset=abc
refuses_to_start "append and sector size" 'mutually exclusive' logwrites-append=true logwrites-sector-size=512
refuses_to_start "two logs" 'a log has been given already' logwrites-log="$tmpdir/other"
refuses_to_start "an unknown parameter" "unknown parameter 'logwrites-size'" logwrites-size=1
refuses_to_start "a misspelt parameter" "did you mean 'logwrites-append'" logwrites-apend=true
fails_like "no log" 'a block device must be specified for "log"' \
    timeout 20 nbdkit -f -U - --filter="$logwrites_filter" null
fails_like "an empty log" 'logwrites-log: ' \
    timeout 20 nbdkit -f -U - --filter="$logwrites_filter" null logwrites-log=
is "$(ls "$tmpdir")" "$(ls "$tmpdir" | grep -v -F disk.log)" "no log has been made"
done_testing
