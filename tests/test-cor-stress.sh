#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Many overlapping requests: what clients read is what one disk could have returned.
. "${0%/*}/cor-functions.sh"

empty_image "$tmpdir/source.raw" 4M
for cor_form in plugin filter; do
    for cluster in 4K 64K 2M; do
        start_cor c "$tmpdir/source.raw" cor-cluster-size=$cluster
        ok "$cor_form, clusters of $cluster" timeout 120 "$clients/stress" --size=1M \
            --offset=1000448 --requests=3000 "$(uri_of c)"
        diag "$(cat "$tmpdir/.ok.log")"
        stop_nbdkit c
        rm -f "$(copy_of c)"*
    done
done
done_testing
