#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The long example of the manual page, a file system at every fsync, runs as it
# stands.
. "${0%/*}/filesystem-functions.sh"
requires_filesystem ext4 mkfs.ext4 fusermount3

export logwrites_filter logreplay_plugin
mkdir "$tmpdir/example" && cd "$tmpdir/example" || exit 1
sed -n '/^=head1 EXAMPLE: A FILE SYSTEM/,/^=head1 LIMITS/s/^ //p' \
    "$abs_top_srcdir/man/nbdkit-logreplay-plugin.pod" > lines

# What differs: our modules, servers that are known and end with the test, and
# clients that are there before they are used.
perl -pe '
    s/^nbdkit -U (\w+)\.sock/nbdkit -P $1.pid -U $1.sock/;
    s/--filter=logwrites/--filter=$ENV{logwrites_filter}/;
    s/ logreplay / $ENV{logreplay_plugin} /;
    s/^(nbdfuse .*)&$/$1 & wait_for_file fuse\/disk/;
' lines > script.body
{
    echo 'set -eu'
    declare -f wait_for
    echo 'wait_for_file() { wait_for 20 test -f "$1"; }'
    cat script.body
} > script
take_down()
{
    umount -l "$tmpdir/example/mnt"
    losetup -d "$(losetup -j "$tmpdir/example/fuse/disk" | cut -d: -f1)"
    umount -l "$tmpdir/example/fuse"
    for file in rec.pid replay.pid; do
        [ ! -s "$tmpdir/example/$file" ] || end_process "$(cat "$tmpdir/example/$file")"
    done
}
cleanup_fn take_down

PATH=${nbdctl%/*}:$PATH
isnt "$(grep -c . lines)" 0 "there is an example"
ok "it runs" timeout 120 bash script
like "$(cat "$tmpdir/.ok.log")" $'fsync-1: good.*fsync-2: good.*fsync-3: good' "and finds all files"
done_testing
