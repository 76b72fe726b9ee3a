#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A name that is no state of the log is refused, with a reason, and the server
# goes on.
. "${0%/*}/logreplay-functions.sh"

make_log 'write:0:1:1' 'mark:here' 'flush' 'write:1:1:2'
start_logreplay r
refused=0
while IFS='|' read -r name reason; do
    : > "$tmpdir/r.log"
    fails "'$name' is refused" timeout 20 nbdinfo --size "$(state_uri r "$name")"
    like "$(connection_log r)" "$reason" "and says why"
    refused=$((refused + 1))
done << 'END'
5|5: this log has 4 entries
flush:0|flush is followed by 1 to 1
flush:2|flush is followed by 1 to 1
fua:1|fua:1: this log has no FUA entries
mark:there|there is no mark 'there'; this log has: here
mark:here#2|mark 'here' is there 1 times
e2|e2: this log has the epochs e0 to e1
-1|'-1' names no point of the log
99999999999999999999|names no point of the log
End|'End' names no point of the log
e1:drop=x|'x' is no number of an entry
e1:drop=0|entry 0 cannot be missing
e1:drop=3:keep=3|give drop= or keep=, not both
e1:torn=3|torn=3: expects ENTRY:SECTORS
disk.img|names no point of the log
END
ok "a very long name" test "$(timeout 20 nbdinfo --size \
    "$(state_uri r "$(printf 'e1:drop=%0*d' 3000 3)")" 2>&1 | grep -c .)" -gt 0
ok "one with a line break" test "$(timeout 20 nbdinfo --size \
    "$(export_uri r 'x%0Aforged')" 2>&1 | grep -c .)" -gt 0
unlike "$(grep -c '^forged' "$tmpdir/r.log")" '[1-9]' "forges no line of the log"
ok "the server goes on" state_io r end 'read -P 1 0 512'
refuses_to_replay "point= is checked at the start" "there is no mark 'there'" "$log" point=mark:there
done_testing
