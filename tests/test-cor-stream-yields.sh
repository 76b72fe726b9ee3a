#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# While the stream runs, a guest's read does not wait behind all of it.
. "${0%/*}/cor-functions.sh"

random_image "$tmpdir/source.raw" 256M 1
# A source that serves 8 MiB/s, whoever asks.
requires_nbdkit_filter rate
start_nbdkit far --filter=rate file "$tmpdir/source.raw" rate=64M
start_cor c "$(uri_of far)" cor-stream=true
wait_for 20 counter_at_least c fetched-bytes 4000000
worst=0
for at in 200 210 220 230 240; do
    begin=$(date +%s%N)
    ok "a read at $at MiB" qemu_io c -r -c "read ${at}M 4k"
    took=$((($(date +%s%N) - begin) / 1000000))
    [ "$took" -gt "$worst" ] && worst=$took
done
isnt "$(stream_of c state)" complete "the stream was still running"
diag "the longest read took $worst ms"
# In flight are at most 16 MiB, which take 2 s.
[ "$worst" -lt 8000 ]
is $? 0 "reads wait for what is in flight, no longer"
done_testing
