#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# replay-log --replay: the same device as nbdcrash replay, and the old output.
. "${0%/*}/nbdcrash-functions.sh"
use_log synthetic/syn1
a=$tmpdir/a
b=$tmpdir/b

# same NAME POINT ARGUMENT...
same()
{
    local name=$1 point=$2
    shift 2
    rm -f "$a"
    empty_image "$b" 24K
    crash replay "$log" "$a" --to "$point" > /dev/null
    replay_log --log "$log" --replay "$b" "$@" || fail "$name: status $?"
    same_content "$a" "$b" "$name"
}
same "all" end
same "--limit" 3 --limit 3
same "--end-mark" mark:m1 --end-mark m1
same "--next-flush" flush:1 --next-flush
same "--next-fua" fua:1 --next-fua

empty_image "$b" 24K
replay_log --log "$log" --replay "$b" --limit 5
replay_log --log "$log" --replay "$b" --start-entry 5
crash replay "$log" "$a" > /dev/null
same_content "$a" "$b" "in two parts"
ok "no flush is left: up to the end" \
    replay_log --log "$log" --replay "$b" --start-entry 9 --next-flush

is "$(replay_log --log "$log" --replay "$b" -v --start-mark mkfs --limit 5)" \
    "replaying 1@3: sector 0, size 1024, flags 0x0(NONE)
replaying 2@6: sector 8, size 512, flags 0x2(FUA)
replaying 3@8: sector 0, size 0, flags 0x1(FLUSH)
replaying 4@9: sector 16, size 16384, flags 0x4(DISCARD)
replaying 5@10: sector 4, size 512, flags 0x13(FLUSH|FUA|UNKNOWN.0x10)" "-v"
is "$(replay_log --log "$log" --replay "$b" -vv --start-entry 5 --start-sector 3 --limit 3 |
    grep -v seek)" \
    "replaying 5@10: sector 4, size 512, flags 0x13(FLUSH|FUA|UNKNOWN.0x10)
replaying 6@12: sector 0, size 0, flags 0x8(MARK)
skipping 7@13: sector 2, size 512, flags 0x0(NONE)" "-vv"

before=$(sha "$b")
fails_like "an unknown end mark" "Couldn't find end mark 'm2'; nothing was replayed" \
    replay_log --log "$log" --replay "$b" --end-mark m2
is "$(sha "$b")" "$before" "changes nothing"

# A range of sectors.
random_image "$a" 24K 1
cp "$a" "$b"
replay_log --log "$log" --replay "$b" --start-sector 4 --end-sector 7
dd if="$log" of="$a" bs=512 skip=10 seek=4 count=1 conv=notrunc status=none
same_content "$a" "$b" "--start-sector and --end-sector; discards outside are left out, too"
cp "$a" "$b"
replay_log --log "$log" --replay "$b" --no-discard --start-sector 16
same_content "$a" "$b" "--no-discard"

# Discards of any size; files grow.
: > "$b"
ok "a discard of 300 MiB" replay_log --log "$samples/malformed/disc300.log" --replay "$b"
is "$(stat -c %s "$b")" $((300 << 20)) "the file grows as far as the log goes"
random_image "$b" 300M 2
ok "onto a full file" replay_log --log "$samples/malformed/disc300.log" --replay "$b"
is "$(used "$b")" 0 "nothing is left of it"

# A log that is cut short.
: > "$b"
fails_like "a log that is cut short" "entry 1 at byte 2048: the file ends at byte 2148" \
    replay_log --log "$samples/malformed/bad_trunc.log" --replay "$b"
is "$(stat -c %s "$b")" 1024 "what there is has been applied"

# A reader that goes away does not stop the replay.
empty_image "$b" 8M
use_log fs/ext4-8m-barrier
rm -f "$a"
crash replay "$log" "$a" > /dev/null
replay_log --log "$log" --replay "$b" -v | head -n 1 > /dev/null
same_content "$a" "$b" "-v into a pipe that is closed"

done_testing
