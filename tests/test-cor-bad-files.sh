#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Files that are not what a copy needs are refused, and left as they are.
. "${0%/*}/cor-functions.sh"

random_image "$tmpdir/source.raw" 2M 1
refused() { refuses_to_start "$1" "$2" c "$tmpdir/source.raw"; }
copy=$(copy_of c)

random_image "$copy" 2M 3
cp "$copy" "$tmpdir/precious"
refused "a file with content and no map" 'is not empty, but there is no map'
same_content "$copy" "$tmpdir/precious" "it was left alone"
rm "$copy"

truncate -s 1M "$copy"
refused "an empty file of another size" 'has 1048576 bytes, the source has 2097152'
rm "$copy"
truncate -s 2M "$copy"
start_cor c "$tmpdir/source.raw"
pass "an empty file of the right size will do"
ok "and is used" qemu_io c -c 'read 0 64k'
stop_nbdkit c

truncate -s 3M "$copy"
refused "a copy that has grown" 'has 3145728 bytes, by its map it has to have 2097152'
truncate -s 2M "$copy"
mv "$copy" "$tmpdir/away"
refused "a map without its copy" 'is gone, but its map'
mv "$tmpdir/away" "$copy"
refuses_to_start "other clusters than the map's" 'cor-cluster-size=4096: the map .* 65536' \
    c "$tmpdir/source.raw" cor-cluster-size=4K
start_cor c "$tmpdir/source.raw"
pass "the copy is still good"
refuses_to_start "a copy in use" 'is in use' c "$tmpdir/source.raw" cor-control="$tmpdir/other"
stop_nbdkit c
rm -f "$copy"*

mkdir "$copy"
refused "a folder" "cor-file='.*' cannot be opened or made: Is a directory"
rmdir "$copy"
copy_of() { echo "$tmpdir/nowhere/$1.raw"; }
refused "a folder that does not exist" 'cannot be opened or made: No such file or directory'
copy_of() { echo "/proc/$1.raw"; }
refused "a folder that cannot be written" "cor-file='/proc/c.raw' cannot be opened or made"
copy_of() { echo "$tmpdir/source.raw"; }
refused "the source itself" 'this is the source'
cor_form=filter
refused "the source itself, below the filter" 'this is the source'
done_testing
