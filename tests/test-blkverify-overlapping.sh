#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Overlapping requests of several clients: no false alarm, and both sides end up
# equal.  NBDRES_LONG=1: ten million requests.
# timeout: 14400
. "${0%/*}/blkverify-functions.sh"

rounds=1 requests=100000
[ "${NBDRES_LONG:-0}" = 1 ] && rounds=50
[ -z "${NBDRES_QUICK:-}" ] || requests=30000
[ "$sanitizers" = no ] || requests=10000

# judge NAME: so many rounds, from other seeds.
judge()
{
    local round
    watch_events "$1"
    for ((round = 1; round <= rounds; round++)); do
        ok "$1: round $round: what was read is right" stress "$1" --requests=$requests \
            --connections=4 --depth=8 --size=2M
        diag "$(cat "$tmpdir/.ok.log")"
        no_false_alarm "$1: round $round: no false alarm"
        SEED=$((SEED + 1))
    done
    is "$(operation read compared)" "$(operation read requests)" "$1: every read was compared"
    is "$(operation write compared)" "$(operation write requests)" "$1: every write, too"
    stop_nbdkit "$1"
    diag "$(tail -n 7 "$tmpdir/$1.log")"
    images_equal "$1: both sides are equal"
}

two_images 4M
start_blkverify file
judge file

two_images 4M
start_qemu_nbd raw -f raw "$tmpdir/raw.raw"
start_blkverify server blkverify-raw="$(uri_of raw)"
judge server
done_testing
