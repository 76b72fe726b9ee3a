#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The runner's counts are true whatever a test program does: it must not look
# better than it is because it crashed, hung, or stopped in the middle.
. "${0%/*}/functions.sh"

runner=$abs_top_srcdir/scripts/run-tests

# program NAME <<EOF: a test program that is what stands on standard input.
program() { { echo '#!/usr/bin/env bash'; cat; } > "$tmpdir/$1.sh"; }

# counts NAME...: the last line of a run of these, in $line, and its status.
counts()
{
    local files=() name
    for name; do files+=("$tmpdir/$name.sh"); done
    RESILIENCE_RESULTS=$tmpdir/results perl "$runner" --builddir="$abs_top_builddir" \
        --timeout=2 "${files[@]}" > "$tmpdir/run.log" 2>&1
    status=$?
    line=$(tail -n 1 "$tmpdir/run.log")
}

program passing <<'X'
echo 1..2; echo ok 1 - a; echo ok 2 - b
X
program failing <<'X'
echo 1..3; echo ok 1 - a; echo not ok 2 - b; echo the reason >&2; echo ok 3 - c; exit 1
X
program crashing <<'X'
echo ok 1 - a; kill -SEGV $$
X
program hanging <<'X'
echo ok 1 - a; echo 1..1; sleep 100 & wait
X
program planless <<'X'
echo ok 1 - a
X
program silent <<'X'
exit 0
X
program short <<'X'
echo 1..5; echo ok 1 - a; echo ok 2 - b
X
program long <<'X'
echo 1..1; echo ok 1 - a; echo ok 2 - b
X
program exit_status <<'X'
echo 1..1; echo ok 1 - a; exit 3
X
program skipping <<'X'
echo 1..2; echo ok 1 - a; echo 'ok 2 - b # SKIP no such tool'
X
program skipping_all <<'X'
echo '1..0 # SKIP not here'
X
program bailing <<'X'
echo 1..2; echo ok 1 - a; echo 'Bail out! the disk is on fire'
X
program todo <<'X'
echo 1..1; echo 'not ok 1 - a # TODO later'
X
program leaving <<'X'
echo 1..1; echo ok 1 - a; sleep 1000 & echo $! > "${0%.sh}.pid"; disown
X

# check NAME EXPECTED-LINE EXPECTED-STATUS
check()
{
    counts "$1"
    is "$line / $status" "$2 / $3" "$1: $2"
}

check passing '2 passed, 0 failed' 0
check failing '2 passed, 1 failed' 1
ok "a failing test's standard error is shown" grep -q 'the reason' "$tmpdir/run.log"
ok "a failing test's output is shown" grep -q 'not ok 2 - b' "$tmpdir/run.log"
check crashing '1 passed, 1 failed' 1
check hanging '1 passed, 1 failed' 1
ok "a hang is called by its name" grep -q 'out of time after 2 s' "$tmpdir/run.log"
check planless '1 passed, 1 failed' 1
check silent '0 passed, 1 failed' 1
check short '2 passed, 3 failed' 1
check long '2 passed, 1 failed' 1
check exit_status '1 passed, 1 failed' 1
check skipping '1 passed, 0 failed, 1 skipped' 0
ok "the reason of a skip is shown" grep -q 'no such tool' "$tmpdir/run.log"
check skipping_all '0 passed, 0 failed, 1 skipped' 0
check bailing '1 passed, 1 failed' 1
check todo '0 passed, 1 failed' 1
check absent '0 passed, 1 failed' 1

check leaving '1 passed, 0 failed' 0
ok "a process that a test left behind is killed" wait_for 5 is_gone "$(cat "$tmpdir/leaving.pid")"

counts passing failing crashing hanging planless
is "$line / $status" '7 passed, 4 failed / 1' 'all of them together'

counts
is "$line / $status" '0 passed, 1 failed / 1' 'nothing to run is no success'

done_testing
