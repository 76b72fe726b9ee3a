#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Together with the quorum: the log above it, and the log of one of its replicas.
. "${0%/*}/logwrites-functions.sh"

# over NAME: the recorded device is a quorum, of which disk.img is one child.
for i in disk 2 3; do empty_image "$tmpdir/$i.img" 1M; done
below=(--filter="$quorum_filter" file "$tmpdir/disk.img" quorum-child="$tmpdir/2.img"
    quorum-child="$tmpdir/3.img")
start_logwrites over
ok "over a quorum: requests" timeout 120 "$clients/stress" --requests=1500 --read-percent=0 \
    --size=512K "$(uri_of over)"
stop_nbdkit over
is_whole "over a quorum: a replay equals the first child"
cp "$tmpdir/2.img" "$tmpdir/disk.img"
is_whole "over a quorum: and the second"

rm -f "$log" "$tmpdir/before.img"
for i in disk 2 3; do empty_image "$tmpdir/$i.img" 1M; done
below=(file "$tmpdir/disk.img")
start_logwrites child
start_nbdkit under "$quorum_plugin" "$(uri_of child)" "$tmpdir/2.img" "$tmpdir/3.img"
ok "under a quorum: requests" timeout 120 "$clients/stress" --requests=1500 --read-percent=0 \
    --size=512K "$(uri_of under)"
stop_nbdkit under
stop_nbdkit child
is_whole "under a quorum: a replay equals this child"
same_content "$tmpdir/disk.img" "$tmpdir/2.img" "under a quorum: the children are equal"

fails_like "the filter twice in one server" 'loaded 2 times' timeout 20 nbdkit -f -U - \
    --filter="$logwrites_filter" --filter="$logwrites_filter" file "$tmpdir/disk.img" \
    logwrites-log="$log"
done_testing
