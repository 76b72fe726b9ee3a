#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# invalidate-cache: the pages of file children are dropped, so the next vote
# reads what is on the medium.
. "${0%/*}/quorum-fault-functions.sh"
requires fincore

three_images 4M 0x71
sync "$tmpdir"/{1,2,3}.raw
serve_image three "$tmpdir/3.raw"
start_quorum q "$tmpdir"/{1,2}.raw "$(uri_of three)"
watch_events q
pages() { fincore -b -n -o PAGES "$1" | tr -d ' '; }
case $(stat -f -c %T "$tmpdir") in tmpfs | ramfs) skip_all "the images live in the page cache" ;; esac

ok "everything is read" qemu_io q -c 'read -P 0x71 0 4M'
ok "child 0 is cached" test "$(pages "$tmpdir/1.raw")" -ge 1000
does "one child" invalidate-cache child=children.0
is "$(value return/0/result)" dropped "its pages are dropped"
is "$(pages "$tmpdir/1.raw")" 0 "(they are)"
ok "not those of the others" test "$(pages "$tmpdir/2.raw")" -ge 1000
does "all children" invalidate-cache
is "$(value return/1/result)" dropped "child 1 too"
is "$(pages "$tmpdir/2.raw")" 0 "(it is)"
is "$(value return/2/result)" "not supported" "a server's cache is its own"

# Dirty pages must survive it.
ok "a write that is not flushed" qemu_io q -t writeback -c 'write -P 0x72 1M 1M' -c 'read -P 0x72 1M 1M'
does "all children again" invalidate-cache
ok "the write is there" qemu_io q -c 'read -P 0x72 1M 1M' -c 'read -P 0x71 0 1M'
identical "the children are equal"
never_differed "nobody was called a liar"
done_testing
