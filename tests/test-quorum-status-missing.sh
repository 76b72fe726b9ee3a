#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A child that is missing: the status says who and why, what it misses and owes, how many
# more may fail; wait-resync does not succeed, though nothing is to be copied.
. "${0%/*}/quorum-fault-functions.sh"

three_images 1M
serve_image two "$tmpdir/2.raw"
start_quorum q "$tmpdir/1.raw" "$(uri_of two)" "$tmpdir/3.raw" quorum-timeout=1s
watch_events q
wait_for_sync() { timeout 20 "$nbdctl" "$(control_of q)" wait-resync "$@"; }
ok "all are there" wait_for_sync
is "$(status_value survivable-failures)" 1 "one may fail"

kill_nbdkit two
becomes degraded "one is missing"
like "$(status_value details/0)" "^degraded: 'children.1' is missing: ." "who, and why"
like "$(status_value advice/0)" "^bring 'children.1' back" "and what to do"
is "$(status_value survivable-failures)" 0 "no other one may fail"
is "$(child_value children.1 stale-bytes)" 0 "it misses nothing"
is "$(child_value children.1 resync)" waiting "and still it is waited for"
fails_like "wait-resync says so when its time is over" \
    "has got no nearer to its end for 3 s: .* is waiting: 'children.1' is missing: ." \
    wait_for_sync --timeout 3
ok "something is written" qemu_io q -c 'write -P 1 0 64k'
like "$(status_value details/0)" "; it misses 65536 bytes$" "the status says what is missed"

restart_image two "$tmpdir/2.raw"
ok "when it is back, wait-resync succeeds" wait_for_sync
ok "and all is well" status_is healthy

freeze "$(pid_of two)"
ok "it freezes" qemu_io q -c 'write -P 2 0 64k'
becomes degraded "that is seen"
like "$(status_value details/0)" "it does not answer, and owes [0-9]+ answers" "so is what it owes"
ok "in a number, too" test "$(status_value owed-answers)" -gt 0
thaw "$(pid_of two)"
recovers "it answers"
is "$(status_value owed-answers)" 0 "and owes nothing"
done_testing
