#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What is no log is not overwritten by one: a disk given as the log by mistake,
# the disk itself, a log that somebody writes.
. "${0%/*}/logwrites-functions.sh"

empty_image "$tmpdir/disk.img" 1M
head -c 8k /dev/urandom > "$log"
cp "$log" "$tmpdir/copy"
refuses_to_start "a file with something else in it" 'neither empty nor a log, and will not be overwritten'
same_content "$log" "$tmpdir/copy" "it has not changed"
empty_image "$log" 64k
refuses_to_start "a file of zeroes" 'neither empty nor a log'

log=$tmpdir/disk.img
refuses_to_start "the disk itself" 'this is what the plugin serves'
ln -s disk.img "$tmpdir/link"
log=$tmpdir/link
refuses_to_start "the disk under another name" 'this is what the plugin serves'

log=$tmpdir/missing/disk.log
refuses_to_start "a folder that does not exist" "logwrites-log: .*missing/disk.log' cannot be opened for writing: No such file"
log=$tmpdir
refuses_to_start "a folder" 'is a directory'
log=$tmpdir/disk.log
rm -f "$log"
start_logwrites l
refuses_to_start "a log in use" 'in use'
cp "$log" "$tmpdir/copy"
# The address is taken: the start fails late, and must not cost the log.
stop_nbdkit l
cp "$log" "$tmpdir/copy"
timeout 20 nbdkit -f -i 127.0.0.1 -p 1 -u nobody-of-this-name --filter="$logwrites_filter" null \
    logwrites-log="$log" > "$tmpdir/late.log" 2>&1
isnt $? 0 "a start that fails late"
same_content "$log" "$tmpdir/copy" "does not cost the old log"
done_testing
