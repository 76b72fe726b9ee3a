#!/usr/bin/env bash
# What is written through a filter or a plugin of ours is what is read back, and
# what the plugin below has got.
. "${0%/*}/shim-functions.sh"
requires nbdcopy

random_image "$tmpdir/source" 24M 1

# round_trip NAME TEXT: copies an image in and out again.
round_trip()
{
    ok "$2: copy in" timeout 60 nbdcopy --flush "$tmpdir/source" "$(uri_of "$1")"
    ok "$2: copy out" timeout 60 nbdcopy "$(uri_of "$1")" "$tmpdir/$1.copy"
    same_content "$tmpdir/source" "$tmpdir/$1.copy" "$2: same content"
}

empty_image "$tmpdir/disk" 24M
start_nbdkit file --filter="$pass_filter" file "$tmpdir/disk"
round_trip file "filter over file"
same_content "$tmpdir/source" "$tmpdir/disk" "the file has it too"

start_nbdkit memory --filter="$pass_filter" memory 24M
round_trip memory "filter over memory"

start_nbdkit remote memory 24M
start_nbdkit nbd --filter="$pass_filter" nbd socket="$tmpdir/remote.sock"
round_trip nbd "filter over nbd"

start_nbdkit serial --filter="$pass_filter" --filter=noparallel memory 24M
round_trip serial "filter over a serial plugin"

empty_image "$tmpdir/disk2" 24M
start_nbdkit plugin "$pass_plugin" "$tmpdir/disk2"
round_trip plugin "plugin over a file"
stop_nbdkit plugin
same_content "$tmpdir/source" "$tmpdir/disk2" "the plugin's file has it too"

done_testing
