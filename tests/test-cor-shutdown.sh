#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A server whose source is frozen ends all the same, with a read and a stream under
# way, and what was written is kept.
. "${0%/*}/cor-functions.sh"

random_image "$tmpdir/source.raw" 8M 1
start_nbdkit far file "$tmpdir/source.raw"
start_cor c "$(uri_of far)" cor-timeout=5s cor-stream=true cor-stream-rate=1M
ok "a write" qemu_io c -c 'write -P 7 0 64k'
freeze "$(pid_of far)"
timeout 60 qemu-io -f raw -r -c 'read 7M 64k' "$(uri_of c)" > "$tmpdir/reader.out" 2>&1 &
reader=$!
wait_for 10 test "$(counter_of c fetches)" -ge 1
begin=$(date +%s%N)
ok "it ends" stop_nbdkit c 15
took=$((($(date +%s%N) - begin) / 1000000))
[ "$took" -lt 12000 ]
is $? 0 "in time ($took ms)"
wait $reader 2> /dev/null
thaw "$(pid_of far)"
start_cor c "$(uri_of far)"
ok "the write is there" qemu_io c -c 'read -P 7 0 64k'
done_testing
