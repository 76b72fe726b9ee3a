#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The demonstration that newcomers see first runs, and everything in it is as
# promised; it leaves nothing behind, and it fails if there is nothing to show.
# exclusive
. "${0%/*}/functions.sh"
requires nbdkit qemu-nbd qemu-io nbdcopy nbdinfo mkfs.ext4 debugfs e2fsck

export TMPDIR=$tmpdir
quickstart=$abs_top_srcdir/scripts/quickstart

timeout 200 "$quickstart" --no-install --no-build --build-dir="$abs_top_builddir" \
    > "$tmpdir/quickstart.log" 2>&1
is $? 0 "the quickstart succeeds"
text=$(cat "$tmpdir/quickstart.log")
like "$text" 'all three replicas are byte for byte the same' "the replicas are equal in the end"
like "$text" 'Everything was as promised' "it says so"
unlike "$text" $'\e' "there are no colours where there is no terminal"
is "$(find "$tmpdir" -maxdepth 1 -name 'quorum-demo.*')" "" "its folder is removed"

mkdir -p "$tmpdir/nothing-built"
fails_like "it fails where nothing is built" 'is not built' \
    timeout 60 "$quickstart" --no-install --no-build --build-dir="$tmpdir/nothing-built"
fails_like "it refuses an option that it does not know" 'quickstart \[--no-install\]' \
    "$quickstart" --no-such-option
done_testing
