#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A child freezes with requests in flight, under load, and thaws again, several
# times: nothing fails, nobody reads anything wrong, all end up equal.
. "${0%/*}/quorum-fault-functions.sh"

three_images 2M
serve_image two "$tmpdir/2.raw"
start_quorum q "$tmpdir/1.raw" "$(uri_of two)" "$tmpdir/3.raw" quorum-timeout=400ms
watch_events q
stress_begins q --requests=0 --seconds=6
for round in 1 2 3; do
    sleep "0.$((RANDOM % 5 + 1))"
    freeze "$(pid_of two)"
    # It is given up, and others go on without it for a while.
    wait_for 10 status_is degraded || fail "round $round: it was not noticed"
    sleep 0.3
    thaw "$(pid_of two)"
    wait_for 20 status_is healthy || fail "round $round: it did not come back"
done
stress_ends "what was read is right"
recovers "the child comes back"
ok "it was frozen at all" test "$(child_value children.1 counters/timeouts)" -ge 3
identical "the children are equal"
never_differed "nobody was called a liar"
done_testing
