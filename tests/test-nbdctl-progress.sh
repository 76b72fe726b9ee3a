#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# nbdctl progress follows a resync to its end.
. "${0%/*}/functions.sh"
. "${0%/*}/control-functions.sh"
start_demo

run_nbdctl set-resync works
run_nbdctl progress --interval 0.05
is "$status" 0 'a resync that works: success'
# shellcheck disable=SC2001
is "$(sed 's/%.*/%/' <<< "$out")" "children.1: 0.0 %
children.1: 25.0 %
children.1: 50.0 %
children.1: 75.0 %
in sync" 'without a terminal: a line for each step'

run_nbdctl set-resync works
run_nbdctl wait-resync --interval 0.05
is "$status$out" 0 'wait-resync says nothing'

run_nbdctl set-resync none
run_nbdctl progress
is "$status$out" "0in sync" 'nothing to wait for: success at once'

run_nbdctl set-resync fails
run_nbdctl progress --interval 0.05
is "$status: $err" '1: nbdctl: the resync of children.1 has failed' 'a resync that fails'

run_nbdctl set-resync stalls
run_nbdctl progress --interval 0.05 --timeout 0.3
is "$status" 4 'a resync that stalls: out of time'
like "$err" 'has got no nearer to its end for 0.3 s' 'a resync that stalls: named'

if command -v script > /dev/null; then
    run_nbdctl set-resync works
    timeout 30 script -qec "'$nbdctl' '$socket' progress --interval 0.05" /dev/null \
        > "$tmpdir/terminal" < /dev/null
    like "$(tr '\r' '\n' < "$tmpdir/terminal")" '\[##########\.{10}\] children\.1: 50\.0 %' \
        'on a terminal: a bar'
else
    skip 'on a terminal: a bar' 'no script here'
fi
done_testing
