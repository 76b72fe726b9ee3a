#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The control socket tells of marks, and of the state of the recording.
. "${0%/*}/logwrites-functions.sh"

empty_image "$tmpdir/disk.img" 1M
start_logwrites l logwrites-mark-offset=0
qmp_events "$(control_of l)" 20 3 > "$tmpdir/events" &
events=$!
at_exit_kill $events
is_watched() { [ "$(grep -c -F "$(control_of l)" /proc/net/unix)" -ge 2 ]; }
wait_for 10 is_watched
mark l one > "$tmpdir/answer"
like "$(cat "$tmpdir/answer")" '^entry: 1$' "the answer says which entry it is"
timeout 20 nbdinfo --size "$(export_uri l mark:two)" > "$tmpdir/two.log"
printf 'logwrites-mark:three\n' > "$tmpdir/box"
truncate -s 512 "$tmpdir/box"
requests l "write -s $tmpdir/box 0 512" > "$tmpdir/three.log"
wait $events
is "$(perl -MJSON::PP -ne 'my $e = decode_json($_); my $d = $e->{data};
    print "$e->{event} $d->{name} $d->{via}\n"' "$tmpdir/events")" "LOGWRITES_MARK one control
LOGWRITES_MARK two export
LOGWRITES_MARK three mailbox" "each mark is an event"

ok "some changes" requests l 'write 4k 4k' flush
is "$(query l state)" recording "query-logwrites: state"
is "$(query l marks)" 4 "marks, the start included"
is "$(query l entries)" "$("$clients/logdump" --whole "$log" | wc -l)" "entries"
is "$(query l log-bytes)" "$(stat -c %s "$log")" "log-bytes"
is "$(query l counted-entries)" "$(od -A n -t u8 -j 16 -N 8 "$log" | tr -d ' ')" "counted-entries"
is "$(query l sector-size) $(query l full) $(query l ext)" "512 error true" "options"
is "$(query l device-bytes)" 1048576 "device-bytes"
done_testing
