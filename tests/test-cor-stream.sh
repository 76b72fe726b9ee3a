#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The stream fetches the rest: holes are skipped, progress can be seen, it goes on
# after a restart, and the complete copy needs no source any more.
. "${0%/*}/cor-functions.sh"

empty_image "$tmpdir/source.raw" 64M
random_image "$tmpdir/data" 8M 1
dd if="$tmpdir/data" of="$tmpdir/source.raw" bs=1M seek=10 conv=notrunc status=none
dd if="$tmpdir/data" of="$tmpdir/source.raw" bs=1M seek=50 conv=notrunc status=none
start_nbdkit far file "$tmpdir/source.raw"

start_cor c "$(uri_of far)" cor-stream=true cor-stream-rate=4M
half_way() { [ "$(counter_of c fetched-bytes)" -ge 3000000 ]; }
ok "the stream is under way" wait_for 20 half_way
is "$(stream_of c state)" running "and says so"
line=$(timeout 20 "$nbdctl" "$(control_of c)" query-stream --json)
like "$line" '"remaining-bytes": [1-9]' "progress is there as JSON"
ok "guests write meanwhile" qemu_io c -c 'write -P 9 30M 64k' -c 'write -P 8 55M 1k' -c flush
kill_nbdkit c
truncate -s 0 "$tmpdir/c.log"

start_cor c "$(uri_of far)"
local=$(status_of c local-clusters)
[ "$local" -gt 160 ]
is $? 0 "after a crash it goes on where it was ($local clusters are local)"
is "$(stream_of c state)" off "but only if that is wanted"
ok "stream-start" qmp "$(control_of c)" stream-start
ok "nbdctl progress shows it to its end" timeout 60 "$nbdctl" "$(control_of c)" progress
like "$(cat "$tmpdir/.ok.log")" 'in sync|complete' "and says that it is"
is "$(status_of c complete)" true "all is local"
wait_for 10 status_is c source-state closed
is $? 0 "the source is closed"
fetched=$(counter_of c fetched-bytes)
[ "$fetched" -le $((16 << 20)) ]
is $? 0 "holes were not read ($fetched bytes were)"
ok "the source's server can go" stop_nbdkit far
ok "what was written is there" qemu_io c -c 'read -P 9 30M 64k' -c 'read -P 8 55M 1k'
stop_nbdkit c
cp "$tmpdir/source.raw" "$tmpdir/expected.raw"
for what in '9 30M 64k' '8 55M 1k'; do
    qemu-io -f raw -c "write -P $what" "$tmpdir/expected.raw" > /dev/null
done
same_content "$(copy_of c)" "$tmpdir/expected.raw" "the file is the complete image"
ok "and sparse" test "$(du -m "$(copy_of c)" | cut -f 1)" -lt 20
start_cor c "$(uri_of far)"
ok "it is served without the source" qemu_io c -c 'read -P 9 30M 64k'
done_testing
