#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# LOG.idx is a cache: one that is old, damaged, or of another log is made anew.
. "${0%/*}/nbdcrash-functions.sh"
use_log fs/ext4-8m-barrier

whole=$(crash list "$log" --json)
ok "an index is made" test -s "$log.idx"
index=$(sha "$log.idx")
is "$(crash list "$log" --json)" "$whole" "with it, the same is listed"

cp "$log" "$tmpdir/other"
rm "$log.idx"
is "$(crash list "$log" --json --no-index)" "$whole" "--no-index"
ok "makes none" test ! -e "$log.idx"

crash info "$log" > /dev/null
head -c 1000 "$log.idx" > "$tmpdir/half" && cp "$tmpdir/half" "$log.idx"
is "$(crash list "$log" --json)" "$whole" "an index that is cut short"
is "$(sha "$log.idx")" "$index" "is made anew"
patch_file "$log.idx" 500 ffffffff
is "$(crash list "$log" --json)" "$whole" "a damaged index"
random_image "$log.idx" 16K 1
is "$(crash list "$log" --json)" "$whole" "something else"
rm "$log.idx" && mkdir "$log.idx"
is "$(crash list "$log" --json)" "$whole" "a folder"
rmdir "$log.idx"

# The index of another log.
cp "$samples/fs/ext4-8m-nobarrier.log" "$tmpdir/nobarrier"
crash info "$tmpdir/nobarrier" > /dev/null
cp "$tmpdir/nobarrier.idx" "$log.idx"
is "$(crash list "$log" --json)" "$whole" "that of another log"

# The log has changed since.
crash info "$log" > /dev/null
patch_file "$log" 16 05
is "$(field entries info "$log")" 5 "the log has fewer entries now"
patch_file "$log" 16 92
is "$(crash list "$log" --json)" "$whole" "and all of them again"

# Where none can be written.
chmod 555 "$tmpdir"
is "$(crash list "$log" --json)" "$whole" "a folder that cannot be written to"
chmod 755 "$tmpdir"

done_testing
