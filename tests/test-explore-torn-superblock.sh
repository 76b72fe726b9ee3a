#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# ext4 writes its superblock at unmount in two sectors.  A crash between them is
# found and named; a disk that never tears 4096 bytes cannot have it.
. "${0%/*}/explore-functions.sh"
requires e2fsck

use_log fs/ext4-8m-barrier
explore 1 "torn states are bad" --mode torn --from flush:3 --check "$check_ext4"
like "$(bad_states)" "e44:torn=144:0" "the superblock that is torn is named"
is "$(bad_states | grep -c -v -E 'torn=(101|144):[01]$')" 0 "and nothing but superblocks"
like "$(cat "$report")" "Superblock checksum does not match" "what the checker said is there"
like "$(cat "$report")" "point=e44:torn=144:0" "and the command that serves the state"
explore 0 "none is bad if 4096 bytes are never torn" --mode torn --tear 4096 --from flush:3 \
    --check "$check_ext4"
nothing_left
done_testing
