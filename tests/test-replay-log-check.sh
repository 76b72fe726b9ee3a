#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# replay-log --check runs --fsck when it should, and a failure of it is one.
. "${0%/*}/nbdcrash-functions.sh"
use_log synthetic/syn1
image=$tmpdir/image

# checks ARGUMENT...: how often fsck is run.
checks()
{
    empty_image "$image" 24K
    rm -f "$tmpdir/count"
    replay_log --log "$log" --replay "$image" --fsck "echo >> $tmpdir/count" "$@" || echo "failed"
    wc -l < "$tmpdir/count"
}
is "$(checks --check 1)" 11 "after each entry"
is "$(checks --check 3)" 3 "after each third entry"
is "$(checks --check 3 --start-entry 2)" 3 "counted from the start"
is "$(checks --check flush)" 3 "after each flush"
is "$(checks --check fua)" 2 "after each FUA"
is "$(checks --check discard)" 1 "after each discard"
is "$(checks --check flush --limit 5)" 1 "up to the limit"

# fsck_fails NAME REGEX COMMAND
fsck_fails()
{
    empty_image "$image" 24K
    fails_like "$1" "$2" replay_log --log "$log" --replay "$image" --check flush --fsck "$3"
}
fsck_fails "an fsck that fails" "^Fsck errored out on entry 3" "exit 4"
fsck_fails "an fsck that is killed" "killed by signal 9.*Fsck errored out on entry 3" 'kill -9 $$'
fsck_fails "a part of it that is killed" "Fsck errored out on entry 3" "sh -c 'kill -9 \$\$'; exit"
fsck_fails "an fsck that is not there" "Fsck errored out on entry 3" "/no/such/fsck"

# It sees the device as it is then.
crash replay "$log" "$tmpdir/expected" --to flush:1 --size 24K > /dev/null
empty_image "$image" 24K
ok "fsck sees the state at that entry" replay_log --log "$log" --replay "$image" --next-flush \
    --check flush --fsck "cmp $image $tmpdir/expected"

use_log fs/ext4-8m-barrier
requires e2fsck
empty_image "$image" 8M
ok "a real file system, at each flush" replay_log --log "$log" --replay "$image" \
    --start-entry 0 --check 146 --fsck "e2fsck -fn $image"

done_testing
