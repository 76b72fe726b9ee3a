#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Many clients read the same clusters at the same time: each is fetched once.
. "${0%/*}/cor-functions.sh"

random_image "$tmpdir/source.raw" 1M 1
slow_source slow "$tmpdir/source.raw" 500ms
start_cor c "$(uri_of slow)"
readers=()
for i in 1 2 3 4 5 6; do
    timeout 60 qemu-io -f raw -r -c 'read 1000 60k' "$(uri_of c)" > "$tmpdir/$i.out" 2>&1 &
    readers+=($!)
done
for i in "${!readers[@]}"; do
    wait "${readers[i]}"
    is $? 0 "reader $i has its data"
done
is "$(counter_of c fetches)" 1 "there was one fetch"
counter_at_least c joined 1 || skip "one at least has joined another's" "they were too slow"
export_is c "$tmpdir/source.raw" "all of it is right"
done_testing
