#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The ten commands of the manual lead from mkfs to a minimised bug, as they stand
# there.
. "${0%/*}/explore-functions.sh"
. "${0%/*}/fuse-functions.sh"
requires_fuse
requires_loop
requires nbdkit mkfs.ext4 e2fsck

mkdir "$tmpdir/work" "$tmpdir/programs" && cd "$tmpdir/work" || exit 1
# The filter of this build, under its name.
printf '#!/bin/sh\nfor a; do case $a in --filter=logwrites) a=--filter=%s ;; esac; set -- "$@" "$a"; shift; done\nexec %s "$@"\n' \
    "$logwrites_filter" "$(command -v nbdkit)" > "$tmpdir/programs/nbdkit"
chmod +x "$tmpdir/programs/nbdkit"
PATH=$tmpdir/programs:$abs_top_builddir/tools/nbdcrash:$abs_top_builddir/tools/nbdctl:$PATH
cleanup_fn umount -l "$tmpdir/work/fuse"
cleanup_fn umount -l "$tmpdir/work/mnt"
cleanup_fn sh -c "kill \$(cat $tmpdir/work/disk.pid)"

mapfile -t commands < <(sed -n '/^=head1 A BUG/,/^=head1/p' "$abs_top_srcdir/man/nbdcrash.pod" |
    sed -e ':a; /\\$/ { N; s/\\\n */ /; ba }' | sed -n 's/^ # //p')
is "${#commands[@]}" 10 "there are ten"
for ((i = 0; i < ${#commands[@]}; i++)); do
    command=${commands[i]}
    # What goes to the background is waited for by people.
    [[ $command != mkfs* ]] || wait_for 20 test -f fuse/disk
    if [[ $command == nbdcrash* ]]; then
        exits 1 "$((i + 1)): ${command:0:60}" timeout 120 bash -c "$command"
    elif [[ $command == *'&' ]]; then
        eval "$command" > fuse.log 2>&1
        pass "$((i + 1)): ${command:0:60}"
    else
        ok "$((i + 1)): ${command:0:60}" timeout 120 bash -c "$command"
    fi
done
like "$(cat "$tmpdir/.ok.log")" "the only write that is missing is" "the bug is a single write"
ok "there is a page" test -s bugs/index.html
nothing_left
done_testing
