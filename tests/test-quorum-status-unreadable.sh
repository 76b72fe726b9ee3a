#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What too few current children hold cannot be read: the status counts it, and is failed,
# though enough children are there.
. "${0%/*}/quorum-fault-functions.sh"

three_images 8M 0x17
truncate -s 8M "$tmpdir/new.raw"
serve_image two "$tmpdir/2.raw"
start_quorum q "$tmpdir/1.raw" "$(uri_of two)" quorum-resync-rate=1M
watch_events q
ok "all is well" status_is healthy
does "a child is added" child-add spec="$tmpdir/new.raw" name=new
becomes resyncing "it is filled"
is "$(status_value survivable-failures)" 0 "but no child may fail yet"
like "$(status_value details/0)" "^resyncing: 'new' misses [0-9]+ bytes, which are being copied" \
    "it says how much is missing"
ok "a part is filled" wait_for 20 child_at_least new counters/resynced-bytes 1000000
kill_nbdkit two
becomes failed "one is lost: the other part cannot be read"
unreadable=$(status_value unreadable-bytes)
is "$unreadable" "$(child_value new stale-bytes)" "which is what new has not got"
is "$(status_value details/0)" \
    "unreadable: $unreadable bytes: fewer than 2 of the members that are there hold what is right" \
    "in words"
like "$(status_value details)" "degraded: 'children.1' is missing" "and who is missing"
is "$(status_value survivable-failures)" 0 "it survives nothing more"
ok "the beginning is readable" qemu_io q -r -c 'read -P 0x17 0 64k'
fails "the end is not" qemu_io q -r -c 'read 7M 64k'
like "$("$nbdctl" "$(control_of q)" query-status)" "
details:
  unreadable: $unreadable bytes: .*
advice:
  bring back the members that are missing" "nbdctl shows a sentence on a line"

restart_image two "$tmpdir/2.raw"
ok "it comes back, and the other one is filled" \
    timeout 60 "$nbdctl" "$(control_of q)" wait-resync
ok "all is well" status_is healthy
is "$(status_value survivable-failures)" 1 "and one may fail now"
done_testing
