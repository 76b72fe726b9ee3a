#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# replay-log's options: what there is, abbreviations, and what is refused.
. "${0%/*}/nbdcrash-functions.sh"
use_log synthetic/syn1

is "$(replay_log --log "$log")" "Log version=1, sectorsize=512, entries=11" "a log alone"
is "$(replay_log --log "$log" --num-entries)" 11 "--num-entries"
is "$(replay_log --log "$log" --number-entries)" 11 "--number-entries, as the old summary says"
is "$(replay_log --log="$log" --num)" 11 "--num"
is "$(replay_log --lo "$log" --fi --start 3 --next-fl)" 3@8 "--start is --start-entry"
is "$(replay_log --log "$log" --find --end m1)" 6@12 "--end is --end-mark"
is "$(replay_log --log "$samples/synthetic/empty.log" --num-entries)" 0 "a log without entries"

rm -f "$log.idx"
is "$(replay_log --log "$log" --no-index --find --next-fl)" 3@8 "--no-index"
ok "no index is made" test ! -e "$log.idx"
is "$(replay_log --log "$log" --no --find --next-fl)" 3@8 "--no is --no-discard, as ever"
ok "and an index is made" test -e "$log.idx"

# bad NAME REGEX ARGUMENT...: status 1, and what it says.
bad()
{
    local name=$1 regex=$2 text status
    shift 2
    text=$(replay_log "$@" 2>&1)
    status=$?
    if [ $status -eq 1 ] && [[ $text =~ $regex ]]; then
        pass "$name"
    else
        fail "$name" "status $status of: replay-log $*" "expected 1 and: $regex" "$text"
    fi
}
bad "no log" "--log is missing.*Usage" --num-entries
bad "an unknown option" "unrecognized option '--bogus'.*Usage" --log "$log" --bogus
bad "an unknown option behind others" "unrecognized option" --log "$log" --limit 1 --bogus 2
bad "a word that is no option" "'extra' is no option" --log "$log" extra
bad "an option without its value" "requires an argument" --log
bad "a number that is none" "Invalid entry number 'x'" --log "$log" --limit x
bad "a negative one" "Invalid entry number '-1'" --log "$log" --start-entry -1
bad "an empty one" "Invalid sector number ''" --log "$log" --start-sector ''
bad "--check 0" "Invalid entry number '0'" --log "$log" --check 0 --fsck true
bad "--check without --fsck" "go together" --log "$log" --check 1
bad "--fsck without --check" "go together" --log "$log" --fsck true
bad "a log that is not there" "cannot be opened" --log "$tmpdir/none"
bad "something else than a log" "no dm-log-writes log" --log "$samples/README.md"
bad "an empty file" "is empty" --log "$samples/qemu/g04.log"
bad "sectors of 0 bytes" "sector size 0" --log "$samples/malformed/ss0.log" --num-entries
bad "no entries" "Invalid entry number" --log "$samples/synthetic/empty.log" --find --limit 1
bad "a device that is not there" "Couldn't open replay file" --log "$log" --replay "$tmpdir/none"
ok "it is not made" test ! -e "$tmpdir/none"
exits 0 "--help" replay_log --help

done_testing
