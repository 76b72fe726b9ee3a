#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Writes that fail on some children: the result, the events, and who holds what
# afterwards.  As in QEMU, nothing is undone.  Unlike there, a child that missed
# a write that succeeded is not believed in that place until it has been copied
# there; a write that failed as a whole makes no child less believed.
. "${0%/*}/quorum-vectors.sh"

eio='write: Input/output error'
enospc='write: No space left on device'

# write_vector CHILDREN THRESHOLD RESULT EVENTS NEW STALE [KEY=VALUE...]: a write of
# 4 KiB of B to children full of A.  CHILDREN: ok or an errno; NEW: the places of
# the children that hold B then; STALE: of those that are not believed.
# With write_command="write -z" the written data are zeroes.
write_command='write -P 0x42'
written=0x42
write_vector()
{
    local faults threshold=$2 result=$3 expected=$4 new=$5 stale=$6 list=() i child holding=()
    local name="${write_command%% -P*} $1, threshold $2" believed=()
    read -r -a faults <<< "$1"
    shift 6
    for i in "${!faults[@]}"; do
        faulty_child "$i" write "${faults[$i]}"
        overwrite "$tmpdir/faulty$i.raw" 0x41 0 64K
        list+=("$child")
    done
    start_quorum vector "${list[@]}" quorum-threshold="$threshold" "$@"
    watch_events vector
    # A resync would be the next thing to write there.
    for i in "${!faults[@]}"; do control resync-pause child="children.$i"; done
    case $result in
    ok) ok "$name: success" qemu_io vector -c "$write_command 0 4k" ;;
    *) fails_like "$name: $result" "$(text_of "$result")" \
        qemu_io vector -c "$write_command 0 4k" ;;
    esac
    is "$(short_events)" "$expected" "$name: ${expected:-no event}"
    for i in "${!faults[@]}"; do
        holds "$tmpdir/faulty$i.raw" "$written" 0 4K && holding+=("$i")
        [ "$(child_value "children.$i" stale-bytes)" = 0 ] || believed+=("$i")
    done
    is "${holding[*]}" "$new" "$name: new data on ${new:-none}"
    is "${believed[*]}" "$stale" "$name: stale is ${stale:-none}"
    stop_nbdkit vector
}

write_vector "ok ok ok" 2 ok "" "0 1 2" ""
write_vector "ok EIO ok" 2 ok "BAD(1) $eio" "0 2" "1"
write_vector "ok EIO ENOSPC" 2 ENOSPC "BAD(1) $eio, BAD(2) $enospc, FAILURE" "0" ""
write_vector "EIO EIO ENOSPC" 1 EIO "BAD(0) $eio, BAD(1) $eio, BAD(2) $enospc, FAILURE" "" ""
write_vector "ok EIO ENOSPC" 1 ok "BAD(1) $eio, BAD(2) $enospc" "0" "1 2"
write_vector "ok ENOSPC ok" 3 ENOSPC "BAD(1) $enospc, FAILURE" "0 2" "" quorum-read-pattern=fifo

write_command='write -z' written=0
write_vector "ok EIO ok" 2 ok "BAD(1) $eio" "0 2" "1"
write_vector "ok EIO ENOSPC" 2 ENOSPC "BAD(1) $eio, BAD(2) $enospc, FAILURE" "0" ""

done_testing
