#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Where the threshold is all children, as it is by default with two, the first one that is
# lost stops everything.  That is said at the start, and in the status.
. "${0%/*}/quorum-fault-functions.sh"

three_images 1M
serve_image two "$tmpdir/2.raw"
start_quorum q "$tmpdir/1.raw" "$(uri_of two)"
watch_events q
like "$(cat "$tmpdir/q.log")" \
    "quorum: the threshold is 2 of 2 children: the first one that is lost stops everything" \
    "it is said at the start"
like "$(cat "$tmpdir/q.log")" "quorum-threshold=1 would survive it, and no longer vote" \
    "with the price of the other way"
ok "all is well" status_is healthy
is "$(status_value survivable-failures)" 0 "but none may fail"
like "$(status_value advice/0)" "^child-add another one: the first member that is lost stops" \
    "as the advice says"
kill_nbdkit two
becomes failed "and so it is"
like "$(status_value details)" "nothing can be written: 1 of 2 members are there, and 2 are needed" \
    "in words"
is "$(status_value unreadable-bytes)" 1048576 "nor read"
restart_image two "$tmpdir/2.raw"
recovers "it comes back"
does "a third one" child-add spec="$tmpdir/3.raw"
recovers "is filled"
is "$(status_value survivable-failures)" 1 "then one may fail"
is "$(status_value advice)" "[]" "and there is nothing to do"
stop_nbdkit q

start_quorum three "$tmpdir/1.raw" "$tmpdir/2.raw" "$tmpdir/3.raw"
unlike "$(cat "$tmpdir/three.log")" "stops everything" "two of three say nothing"
stop_nbdkit three
start_quorum all "$tmpdir/1.raw" "$tmpdir/2.raw" "$tmpdir/3.raw" quorum-threshold=3
like "$(cat "$tmpdir/all.log")" "the threshold is 3 of 3 children: .*, or a lower quorum-threshold" \
    "three of three do"
done_testing
