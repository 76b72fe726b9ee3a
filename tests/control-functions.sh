# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2154,SC2034
#
# For the tests of nbdctl: a server that has a control socket and nothing else.

socket=$tmpdir/control.sock

# start_demo: starts the server, with its commands on $socket.
start_demo()
{
    "$clients/control-demo" "$socket" 120 >> "$tmpdir/demo.log" 2>&1 < /dev/null &
    demo_pid=$!
    at_exit_kill "$demo_pid"
    wait_for 10 grep -q ready "$tmpdir/demo.log" || bail_out "the server did not start"
}

# run_nbdctl ARGUMENT...: with $socket; sets $out, $err and $status.
run_nbdctl()
{
    timeout 30 "$nbdctl" "$socket" "$@" > "$tmpdir/out" 2> "$tmpdir/err"
    status=$?
    out=$(cat "$tmpdir/out")
    err=$(cat "$tmpdir/err")
}
