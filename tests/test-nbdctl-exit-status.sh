#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# nbdctl's exit status tells what went wrong, and it never waits for ever.
. "${0%/*}/functions.sh"
. "${0%/*}/control-functions.sh"
requires socat

run_nbdctl query-status
is "$status" 3 'no socket: 3'
like "$err" "socket '$socket': No such file" 'no socket: named'

start_demo
run_nbdctl query-status
is "$status" 0 'success: 0'
run_nbdctl child-remove foo
is "$status: $err" "1: nbdctl: Node 'q' does not have child 'foo'" 'refused: 1'
run_nbdctl nosuch
is "$status: ${err%%;*}" "1: nbdctl: The command nosuch has not been found" 'unknown command: 1'
run_nbdctl --nosuch query-status
is "$status" 2 'unknown option: 2'
run_nbdctl
is "$status" 2 'no command: 2'
run_nbdctl --timeout 0 query-status
is "$status" 2 'no time: 2'
run_nbdctl --timeout 0.2 sleep 3000
is "$status: $err" "4: nbdctl: sleep: no reply in time; the command may still be carried out" \
    'a slow command: 4'
long=/$(head -c 200 /dev/zero | tr '\0' x)
timeout 30 "$nbdctl" "$long" query-status 2> /dev/null
is $? 2 'a path that no socket can have: 2'

freeze "$demo_pid"
run_nbdctl --timeout 0.3 query-status
is "$status" 4 'a frozen server: 4'
like "$err" 'does not greet: is the server frozen' 'a frozen server: named'
thaw "$demo_pid"

# It is killed while a command runs.
timeout 30 "$nbdctl" "$socket" sleep 20000 2> "$tmpdir/err" &
client=$!
is "$(timeout 30 "$nbdctl" "$socket" echo x)" 'text: x' 'another client is served meanwhile'
disown "$demo_pid" && kill -KILL "$demo_pid"
wait_for 5 is_gone "$demo_pid"
wait $client 2> /dev/null
is $? 3 'the server dies: 3'
run_nbdctl query-status
is "$status" 3 'a dead server: 3'
like "$err" 'its server is not running any more' 'a dead server: named'
rm -f "$socket"

# babble FILE: a server that says what is in FILE and nothing else.
babble()
{
    rm -f "$socket"
    socat "UNIX-LISTEN:$socket" "EXEC:cat $1 -" > "$tmpdir/socat.log" 2>&1 &
    at_exit_kill $!
    wait_for 5 test -S "$socket"
}
head -c 100000 /dev/urandom > "$tmpdir/noise"
echo >> "$tmpdir/noise"
babble "$tmpdir/noise"
run_nbdctl query-status
is "$status" 3 'a server that speaks no QMP: 3'
{ printf '%300000s' '' | tr ' ' '['; echo; } > "$tmpdir/deep"
babble "$tmpdir/deep"
run_nbdctl query-status
is "$status" 3 'a server that nests without end: 3'
echo '{"QMP":1}' > "$tmpdir/silent"
babble "$tmpdir/silent"
run_nbdctl --timeout 0.3 query-status
is "$status" 4 'a server that falls silent: 4'
done_testing
