#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Overlapping requests of several clients: no false alarm, and both sides end up
# equal.  NBDRES_LONG=1: ten million requests.
# timeout: 3600
. "${0%/*}/blkverify-functions.sh"

requests=200000
seconds=600
[ "${NBDRES_LONG:-0}" = 1 ] && requests=10000000 seconds=3600
[ "$sanitizers" = no ] || requests=20000

# judge NAME REQUESTS
judge()
{
    watch_events "$1"
    ok "$1: what was read is right" timeout $seconds "$clients/stress" --seed="$SEED" \
        --requests="$2" --connections=4 --depth=8 --size=2M "$(uri_of "$1")"
    diag "$(cat "$tmpdir/.ok.log")"
    no_false_alarm "$1: no false alarm"
    is "$(operation read compared)" "$(operation read requests)" "$1: every read was compared"
    is "$(operation write compared)" "$(operation write requests)" "$1: every write, too"
    stop_nbdkit "$1"
    images_equal "$1: both sides are equal"
}

two_images 4M
start_blkverify file
judge file $((requests * 9 / 10))

two_images 4M
start_qemu_nbd raw -f raw "$tmpdir/raw.raw"
start_blkverify server blkverify-raw="$(uri_of raw)"
judge server $((requests / 10))
done_testing
