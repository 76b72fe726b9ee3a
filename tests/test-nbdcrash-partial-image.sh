#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A replay that fails leaves no image behind that could be taken for a state.
. "${0%/*}/nbdcrash-functions.sh"
requires_root

# A disk of 1 MiB, and a log of 8 MiB of content.
mkdir "$tmpdir/full"
mount -t tmpfs -o size=1m none "$tmpdir/full" || skip_all "no tmpfs here"
cleanup_fn umount -l "$tmpdir/full"
rm -f "$log"
perl "$abs_top_srcdir/tests/make-log.pl" "$log" write:0:8192:65 flush write:8192:8192:66 flush

refuses "replay onto a full disk" "image: was removed" crash replay "$log" "$tmpdir/full/image"
is "$(ls "$tmpdir/full")" "" "leaves nothing behind"
truncate -s 8M "$tmpdir/full/mine"
refuses "onto a file that was there" "mine: holds only a part" \
    crash replay "$log" "$tmpdir/full/mine"
ok "the file stays" test -e "$tmpdir/full/mine"
rm "$tmpdir/full/mine"
refuses "compact with its base there" "base: was removed" \
    crash compact "$log" "$tmpdir/out" --base flush:1 --base-image "$tmpdir/full/base"
is "$(ls "$tmpdir/full")" "" "leaves nothing behind"
ok "and no log" test ! -e "$tmpdir/out"
done_testing
