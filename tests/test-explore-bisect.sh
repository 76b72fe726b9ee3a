#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The first bad point is found, to the entry, in few checks; points that the checker
# cannot tell are left out.
. "${0%/*}/explore-functions.sh"

rm -f "$log"
perl "$abs_top_srcdir/tests/make-log.pl" "$log" 40*write:8:1:65 flush 40*write:8:1:66 flush \
    write:0:1:88 write:16:1:67 flush 40*write:8:1:68 flush
bisect() { timeout 120 "$nbdcrash" bisect "$log" "$@"; }
bad='test "$(head -c 1 {dev})" != X'
exits 1 "the first bad point" bisect --check "$bad" --json
cp "$tmpdir/.ok.log" "$report"
is "$(report first-bad) $(report last-good)" "83 flush:2" "is after the write, not the flush"
is "$(report change.entry) $(report change.offset)" "82 0" "which is shown"
ok "it took few checks" test "$(report checks)" -le 12
exits 1 "for people" bisect --check "$bad"
like "$(cat "$tmpdir/.ok.log")" "83: the first bad point" "it says so"
exits 1 "a checker that cannot tell about one point" bisect --json --from flush:2 \
    --check "$bad && exit; test \"\$(dd if={dev} bs=1 skip=8192 count=1 status=none)\" = C || exit 125; exit 1"
cp "$tmpdir/.ok.log" "$report"
is "$(report first-bad)" 84 "gets the next one"
exits 0 "if the end is good there is nothing to find" bisect --check true
refuses "if the beginning is bad neither" "is not good itself" bisect --check false
refuses "--to before --from" "behind --to" bisect --from 80 --to 3 --check true
nothing_left
done_testing
