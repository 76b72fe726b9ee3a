#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Block status and prefetching, too, wait for a frozen child once.
. "${0%/*}/quorum-fault-functions.sh"
requires qemu-img nbdinfo

three_images 2M
for i in 1 2 3; do truncate -s 0 "$tmpdir/$i.raw"; truncate -s 2M "$tmpdir/$i.raw"; done
serve_image two "$tmpdir/2.raw"
start_quorum q "$tmpdir/1.raw" "$(uri_of two)" "$tmpdir/3.raw" quorum-timeout=1500ms
watch_events q
ok "a write" qemu_io q -c 'write -P 0x22 1M 64k'

map() { timeout 60 qemu-img map --output=json -f raw "$(uri_of q)" | tr -d ' \n'; }
before=$(map)
like "$before" '"zero":true.*"data":true' "holes and data are told apart"

freeze "$(pid_of two)"
milliseconds map > "$tmpdir/map"
ok "qemu-img map waits once ($elapsed ms)" test $elapsed -lt 5000
# A child that fails makes it all data, as in QEMU: always true, if not helpful.
like "$(cat "$tmpdir/map")" '^\[\{"start":0,' "and answers"
milliseconds map > "$tmpdir/map"
ok "the next one does not wait ($elapsed ms)" test $elapsed -lt 1200
is "$(cat "$tmpdir/map")" "$before" "and says the same"
thaw "$(pid_of two)"
recovers "the child comes back"

freeze "$(pid_of two)"
within 5000 "prefetching waits once" timeout 30 nbdkit -U - \
    nbd uri="$(uri_of q)" --filter=readahead --run 'nbdcopy "$uri" null:'
within 2500 "the next one does not wait" timeout 30 nbdkit -U - \
    nbd uri="$(uri_of q)" --filter=readahead --run 'nbdcopy "$uri" null:'
thaw "$(pid_of two)"
recovers "the child comes back again"
done_testing
