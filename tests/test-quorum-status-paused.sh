#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A child that misses something and is not copied to is no child that is being resynced:
# the status says what stands in the way, and wait-resync does not wait for it.
. "${0%/*}/quorum-fault-functions.sh"

three_images 4M
start_quorum q "$tmpdir/1.raw" "$tmpdir/2.raw" "$tmpdir/3.raw" quorum-resync-rate=1M
watch_events q
wait_for_sync() { timeout 20 "$nbdctl" "$(control_of q)" wait-resync; }

does "nothing is missing, and a resync is paused" resync-pause child=children.2
ok "that is no trouble yet" status_is healthy
is "$(status_value children-paused)" 1 "but it can be seen"
ok "and all are in sync" wait_for_sync
does "now the child is to be copied to" resync-start child=children.2 full=true
becomes resyncing "it is"
does "until it is paused" resync-pause child=children.2
ok "then the status is worse" status_is degraded
like "$(status_value details/0)" \
    "^degraded: 'children.2' misses [0-9]+ bytes, and its resync is paused$" "and says why"
is "$(status_value advice/0)" "resync-resume child=children.2" "and what to do"
fails_like "wait-resync says so at once" "^nbdctl: the resync of children.2 is paused: " wait_for_sync
does "it is cancelled" resync-cancel child=children.2
ok "which is no better" status_is degraded
like "$(status_value details/0)" "and its resync was cancelled$" "and is said"
is "$(status_value advice/0)" "resync-start child=children.2" "with what to do"
does "that is done" resync-start child=children.2
ok "and now it comes to its end" wait_for_sync
ok "all is well" status_is healthy
is "$(status_value children-paused)" 0 "and nothing is paused"
done_testing
