#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Marks, flushes, FUAs, epochs and numbers name the same points as the log has.
. "${0%/*}/logreplay-functions.sh"

# A device on which each byte of a block says which write it was.
empty_image "$tmpdir/disk.img" 64k
start_logwrites l
ok "the recording" requests l 'write -P 1 0 4k' flush 'write -P 2 4k 4k'
ok "a mark" mark l here
ok "more" requests l 'write -P 3 8k 4k' 'write -P 4 12k 4k -f' 'write -P 5 0 4k'
ok "the same mark again" mark l here
ok "a last flush" requests l 'write -P 6 16k 4k' flush
stop_nbdkit l
start_logreplay r

# holds STATE BYTES...: the first bytes of the device's 4 KiB blocks.
holds()
{
    local state=$1 block=0 byte commands=()
    shift
    for byte; do
        commands+=("read -P $byte $((block * 4))k 4k")
        block=$((block + 1))
    done
    ok "$state" state_io r "$state" "${commands[@]}"
}

"$clients/logdump" "$log" > "$tmpdir/entries.txt"
first=$(sed -n 's/^\([0-9]*\) .* 0+8 NONE.*/\1/p' "$tmpdir/entries.txt" | head -n 1)
holds 0 0 0 0 0 0
holds "$first" 0 0 0 0 0
holds "$((first + 1))" 1 0 0 0 0
holds flush:1 1 0 0 0 0
holds e0 1 0 0 0 0
holds mark:here 1 2 0 0 0
holds mark:here#1 1 2 0 0 0
holds mark:here#2 5 2 3 4 0
holds fua:1 1 2 3 4 0
holds end 5 2 3 4 6
ok "the default is the end" state_io r "" "read -P 5 0 4k" "read -P 6 16k 4k"
stop_nbdkit r
start_logreplay r point=mark:here
ok "point= is the default" state_io r "" "read -P 1 0 4k" "read -P 2 4k 4k" "read -P 0 8k 4k"
stop_nbdkit r
done_testing
