#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Flushes that fail on some children: as many successes as the threshold are a
# success; each failure is reported, without sectors; QUORUM_FAILURE never.
. "${0%/*}/quorum-vectors.sh"
requires nbdcopy
pattern_image "$tmpdir/new.raw" 64K 0x42

# write_and_flush NAME: one flush; qemu-io would send a second one when it ends.
write_and_flush() { timeout 60 nbdcopy --flush "$tmpdir/new.raw" "$(uri_of "$1")"; }

eio='flush: Input/output error'
enospc='flush: No space left on device'

# flush_vector CHILDREN THRESHOLD RESULT EVENTS STALE: as write_vector.
flush_vector()
{
    local faults threshold=$2 result=$3 expected=$4 stale=$5 list=() i child found=()
    local name="flush $1, threshold $2"
    read -r -a faults <<< "$1"
    for i in "${!faults[@]}"; do
        faulty_child "$i" flush "${faults[$i]}"
        list+=("$child")
    done
    start_quorum vector "${list[@]}" quorum-threshold="$threshold"
    watch_events vector
    for i in "${!faults[@]}"; do control resync-pause child="children.$i"; done
    case $result in
    ok) ok "$name: success" write_and_flush vector ;;
    *) fails_like "$name: $result" "nbd_flush: .*$(text_of "$result")" write_and_flush vector ;;
    esac
    is "$(short_events)" "$expected" "$name: ${expected:-no event}"
    for i in "${!faults[@]}"; do
        [ "$(child_value "children.$i" stale-bytes)" = 0 ] || found+=("$i")
    done
    is "${found[*]}" "$stale" "$name: stale is ${stale:-none}"
    stop_nbdkit vector
}

flush_vector "ok ok ok" 2 ok "" ""
# A disk that fails a flush may have lost what it was to make durable.
flush_vector "ok ENOSPC ok" 2 ok "BAD(1) $enospc" "1"
flush_vector "ok EIO ENOSPC" 2 ENOSPC "BAD(1) $eio, BAD(2) $enospc" ""
flush_vector "ok EIO ENOSPC" 1 ok "BAD(1) $eio, BAD(2) $enospc" "1 2"
flush_vector "EIO EIO ENOSPC" 1 EIO "BAD(0) $eio, BAD(1) $eio, BAD(2) $enospc" ""

# FUA is a write and a flush, and needs both of them on the threshold's children.
faulty_child 1 flush EIO
faulty_child 2 flush ok
pattern_image "$tmpdir/0.raw" 64K 0x41
start_quorum fua "$tmpdir/0.raw" "$(uri_of faulty1)" "$(uri_of faulty2)"
ok "FUA, one flush fails: success" qemu_io fua -c 'write -f -P 0x43 0 4k'
set_faults faulty2 'flush EIO'
fails_like "FUA, two flushes fail: error" 'Input/output error' qemu_io fua -c 'write -f -P 0x44 0 4k'
ok "and the data have been written" holds "$tmpdir/0.raw" 0x44 0 4K

done_testing
