#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Ctrl-C, SIGTERM, SIGKILL and --time in the middle: nothing is left behind, and
# --resume goes on where it was, to the same report.
. "${0%/*}/explore-functions.sh"
requires e2fsck

use_log fs/ext4-8m-nobarrier
slow="sleep 0.05; $check_ext4"
arguments=(--mode subset --from flush:2 --exhaustive 4 --random 8)
explore 1 "once without a break" "${arguments[@]}" --check "$slow" --jobs 2
verdicts > "$tmpdir/whole"

# interrupted SIGNAL: after some checks; $status.
lines() { [ "$(wc -l < "$tmpdir/resume" 2> /dev/null || echo 0)" -ge "$1" ]; }
interrupted()
{
    local signal=$1 from=$2 pid
    rm -f "$report"
    "$nbdcrash" explore "$log" "${arguments[@]}" --check "$slow" --jobs 2 --json "$report" \
        --resume "$tmpdir/resume" > "$tmpdir/interrupted.out" 2>&1 &
    pid=$!
    at_exit_kill "$pid"
    wait_for 60 lines "$from" || diag "$(cat "$tmpdir/interrupted.out")"
    kill "-$signal" "$pid"
    wait "$pid"
    status=$?
}
interrupted TERM 5
ok "SIGTERM: status 3, or 1 if something was found" test "$status" = 3 -o "$status" = 1
is "$(report ended) $(report complete)" "interrupted 0" "the report says how it ended"
nothing_left
interrupted INT 20
ok "SIGINT the same" test "$status" = 3 -o "$status" = 1
ok "what was known was not checked again" test "$(report resumed)" -ge 2
nothing_left
interrupted KILL 40
is "$status" 137 "SIGKILL"
ok "no mount is left" _no_mounts
ok "no checker is left" wait_for 10 _no_checkers
rm -rf "$tmpdir"/nbdcrash-*
printf '{"number": 99' >> "$tmpdir/resume"    # it died while it wrote
timeout 60 "$nbdcrash" explore "$log" "${arguments[@]}" --check "$slow" \
    --resume "$tmpdir/resume" --time 500ms > "$tmpdir/time.out" 2>&1
status=$?
ok "--time: status 3 or 1" test $status = 3 -o $status = 1
like "$(cat "$tmpdir/time.out")" "out of time" "and says so"
explore 1 "and to the end" "${arguments[@]}" --check "$slow" --jobs 2 --resume "$tmpdir/resume"
is "$(perl -ne 's/ same-content.*//; print' <(verdicts | tail -n +3 | cut -d' ' -f1-3))" \
    "$(tail -n +3 "$tmpdir/whole" | cut -d' ' -f1-3)" "the bad states are those of one run"
explore 1 "once more: nothing is left to check" "${arguments[@]}" --check "$slow" \
    --resume "$tmpdir/resume"
is "$(report resumed)" "$(report states)" "all was known"
refuses "progress of another seed" "another exploration" timeout 60 "$nbdcrash" explore "$log" \
    "${arguments[@]}" --check "$slow" --seed 2 --resume "$tmpdir/resume"
refuses "a file of something else" "" timeout 60 "$nbdcrash" explore "$log" --check true \
    --resume "$tmpdir/check-ext4"
nothing_left
done_testing
