#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# nbdctl watch prints events as they come, and knows when to end.
. "${0%/*}/functions.sh"
. "${0%/*}/control-functions.sh"
start_demo

# start_watch ARGUMENT...: nbdctl watch in the background, connected.
start_watch()
{
    timeout 60 "$nbdctl" "$socket" watch "$@" > "$tmpdir/watched" 2> "$tmpdir/watch.err" &
    watch_pid=$!
    # It is there when an event of ours reaches it.
    wait_for 10 reaches || bail_out 'watch does not print events'
}
reaches() { "$nbdctl" "$socket" emit 1 && sleep 0.05 && [ -s "$tmpdir/watched" ]; }

start_watch --json
"$nbdctl" "$socket" emit 3
wait_for 10 grep -q '"sector-num":2' "$tmpdir/watched" || diag "no third event"
like "$(tail -n 1 "$tmpdir/watched")" '^\{"event":"QUORUM_REPORT_BAD","data":\{' \
    'watch --json: events as they are'
# timeout hands SIGINT on.
kill -INT $watch_pid
wait $watch_pid
is $? 0 'SIGINT ends watch with success'

start_watch
kill -TERM $watch_pid
wait $watch_pid
is $? 0 'so does SIGTERM'
like "$(head -n 1 "$tmpdir/watched")" \
    '^[0-9-]{10} [0-9:]{8}\.[0-9]{3} QUORUM_REPORT_BAD child children\.1: read of sectors 0 to 7 ' \
    'watch: events in words'

start_watch --count 3
wait_for 10 eval '"$nbdctl" "$socket" emit 5; is_gone $watch_pid'
wait $watch_pid
is $? 0 'watch --count ends by itself'
is "$(wc -l < "$tmpdir/watched")" 3 'after so many events'

run_nbdctl watch --count 1 --timeout 0.2
is "$status" 4 'watch --count --timeout: too few events are a failure'
run_nbdctl watch --timeout 0.2
is "$status" 0 'watch --timeout alone is none'

start_watch
disown "$demo_pid" && kill -KILL "$demo_pid"
wait_for 5 is_gone "$demo_pid"
wait $watch_pid
is $? 3 'watch ends when the server dies'
done_testing
