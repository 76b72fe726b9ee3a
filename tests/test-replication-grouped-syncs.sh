#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Writers that come together share the syncs of what they save.
. "${0%/*}/replication-functions.sh"
requires fio

[ "$(stat -f -c %T "$run")" != tmpfs ] || skip_all "$run is in memory"
random_image "$tmpdir/s.disk" 16M 1
start_secondary s
watch_events s
does "start" replication-start
ok "16 writers at a time, each of which has to save" timeout 120 fio --name=w --ioengine=nbd \
    --uri="$(export_uri s primary)" --rw=randwrite --bs=4k --iodepth=16 --size=16M --io_size=4M
saves=$(replication_value counters/saves) syncs=$(replication_value counters/save-syncs)
is "$saves" 1024 "all of them saved"
[ "$syncs" -lt $((saves * 3 / 4)) ]
is $? 0 "with fewer syncs: $syncs"
done_testing
