#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A file system that uses barriers is intact at every flush after mkfs, once its
# journal has been recovered.
. "${0%/*}/logreplay-functions.sh"
requires e2fsck

take_log fs/ext4-8m-barrier
start_logreplay r
flushes=$("$clients/logdump" "$log" | grep -c FLUSH)
bad=()
for ((flush = 4; flush <= flushes; flush++)); do
    fetch r "flush:$flush" "$tmpdir/fs.img" || bad+=("$flush: not served")
    {
        timeout 60 e2fsck -y -E journal_only "$tmpdir/fs.img"
        timeout 60 e2fsck -f -n "$tmpdir/fs.img" || bad+=("$flush: $?")
    } > "$tmpdir/e2fsck.log" 2>&1
done
is "${bad[*]}" "" "flush:4 to flush:$flushes pass e2fsck"
isnt "$flushes" 0 "there are some"
done_testing
