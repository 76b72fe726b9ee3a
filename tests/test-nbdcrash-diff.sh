#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# diff shows what changes between two states; its exit status is diff's.
. "${0%/*}/nbdcrash-functions.sh"
use_log fs/ext4-8m-barrier

exits 1 "two points that differ" crash diff "$log" flush:10 flush:11
is "$(field differing-bytes diff "$log" flush:10 flush:11)" 1024 "as many bytes as were written"
is "$(field differing-bytes diff "$log" flush:10 flush:11 --content)" 512 \
    "and those that are other ones"
is "$(field differences.0.offset diff "$log" flush:10 flush:11)" 141312 "where they are"
exits 0 "the same point twice" crash diff "$log" flush:10 flush:10
exits 0 "two names of one point" crash diff "$log" end 146
is "$(field differing-bytes diff "$log" flush:11 flush:10)" 1024 "the other way round"
exits 1 "two states" crash diff "$log" e5 e5:keep=

# A discard of what was never written changes nothing, unless there was a base.
use_log qemu/g05
exits 0 "a discard of nothing" crash diff "$log" 0 end
random_image "$tmpdir/base" 1M 1
exits 1 "a discard of something" crash diff "$log" 0 end --base "$tmpdir/base" --content
is "$(field differing-bytes diff "$log" 0 end --base "$tmpdir/base")" 65536 "all of it"

done_testing
