#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Checkers that do what they should not: hang, fork, be killed, write without end,
# leave mounts behind, not exist.
. "${0%/*}/explore-functions.sh"

make_log() { rm -f "$log" "$log.idx" && perl "$abs_top_srcdir/tests/make-log.pl" "$log" "$@"; }
make_log write:0:1:65 flush write:8:1:66 flush
try() { explore "$1" "$2" --mode flush "${@:3}"; }

try 1 "a status of 1 is bad" --check 'exit 1'
is "$(report failed) $(report failed.0.exit)" "2 1" "all states, with that status"
try 1 "124 too" --check 'exit 124'
try 0 "125 says that it cannot tell" --check 'exit 125'
is "$(report states) $(report skipped.by-checker)" "2 2" "which is counted"
try 2 "127 says that there is no checker" --check 'exit 127'
like "$(cat "$tmpdir/.ok.log")" "cannot be run: status 127" "with a message"
try 2 "and so does one that does not exist" --check 'no-such-checker {dev}'
like "$(cat "$tmpdir/.ok.log")" "no-such-checker" "which is named"
try 2 "one that cannot be executed" --check '/etc/passwd {dev}'

# shellcheck disable=SC2016
try 1 "one that is killed" --check 'kill -SEGV $$'
is "$(report failed.0.signal)" 11 "is a failure of its own kind"
try 1 "one whose child is killed" --check 'sh -c "kill -ABRT \$\$"; exit $?'
is "$(report failed.0.signal)" 6 "too"
try 1 "one that hangs" --check 'sleep 1000' --timeout 300ms
is "$(report failed.0.timeout) $(report failed)" "1 2" "too"
try 1 "one that hangs in what it started" --check 'sleep 1000 | sleep 1000' --timeout 300ms
try 1 "one that does not want to end" --timeout 300ms --check 'trap "" TERM INT HUP; sleep 1000; exit 0'
try 0 "one that leaves a process" --check 'sleep 1000 & exit 0'
# It has left the group when the checker ends.
try 0 "and one that hides it" --check 'rm -f "$TMPDIR/hidden"; setsid sh -c "touch \"\$TMPDIR/hidden\"; sleep 1000 & sleep 1000" & until [ -e "$TMPDIR/hidden" ]; do sleep 0.01; done'
ok "none of them is left" _no_checkers
try 0 "one that prints without end" --check 'head -c 50000000 /dev/zero; echo the end; exit 0'
try 1 "and then fails" --check 'yes | head -c 5000000; echo the end; exit 3'
like "$(report failed.0.output)" "the end" "the end of what it printed is kept"
ok "and no more" test "$(stat -c %s "$report")" -lt 200000

try 0 "{dev} is the state" --check 'test "$(head -c 1 {dev})" = A'
try 0 "{state} is its name" --check 'case {state} in flush:1 | end) ;; *) exit 1 ;; esac'
try 0 "what it writes stays with it" --check 'test "$(head -c 1 {dev})" = A && printf B | dd of={dev} conv=notrunc status=none && test "$(head -c 1 {dev})" = B'
try 0 "{uri} is an export" --check 'test "$(nbdinfo --size {uri})" = 8192'
try 0 "and is the same state" --check 'nbdcopy {uri} - | cmp - {dev}'
try 0 "a mount that it leaves" --check 'mkdir -p "$TMPDIR/m" && mount -t tmpfs none "$TMPDIR/m" && ! test -e "$TMPDIR/m/x" && touch "$TMPDIR/m/x"'
try 0 "a loop device that it leaves" --check 'losetup -f {dev}'
nothing_left
done_testing
