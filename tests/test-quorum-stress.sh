#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Many overlapping requests: what clients read is what one disk could have
# returned, the children end up equal, and none was ever called a liar.
. "${0%/*}/quorum-fault-functions.sh"

# judge NAME
judge()
{
    watch_events "$1"
    ok "$1: what was read is right" stress "$1" --requests=6000
    diag "$(cat "$tmpdir/.ok.log")"
    identical "$1: the children are equal"
    never_differed "$1: no differences were reported"
    is "$(all_counted read-errors)+$(all_counted write-errors)+$(all_counted timeouts)" 0+0+0 \
        "$1: no errors"
    stop_nbdkit "$1"
}

for quorum_form in plugin filter; do
    three_images 2M
    start_quorum "$quorum_form" "$tmpdir"/{1,2,3}.raw
    judge "$quorum_form"

    three_images 2M
    serve_image two "$tmpdir/2.raw"
    start_qemu_nbd three -f raw "$tmpdir/3.raw"
    start_quorum "$quorum_form-mixed" "$tmpdir/1.raw" "$(uri_of two)" "$(uri_of three)"
    judge "$quorum_form-mixed"
    stop_nbdkit two
    end_process "$(pid_of three)"
done

quorum_form=plugin
for pattern in fifo fastest; do
    three_images 2M
    serve_image two "$tmpdir/2.raw"
    start_quorum "$pattern" "$tmpdir/1.raw" "$(uri_of two)" "$tmpdir/3.raw" \
        quorum-read-pattern="$pattern"
    judge "$pattern"
    stop_nbdkit two
done
done_testing
