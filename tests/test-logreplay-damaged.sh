#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A log that is not one, or that is damaged or cut short, is refused with the
# entry and the byte; nothing of it is guessed.
. "${0%/*}/logreplay-functions.sh"

while IFS='|' read -r sample reason; do
    refuses_to_replay "$sample" "$reason" "$data/logs/$sample.log"
done << 'END'
malformed/bad_nr|entry 1 at byte 1536: the file ends at byte 1536, 50 entries are counted
malformed/bad_trunc|entry 1 at byte 2048: the file ends at byte 2148, 2 entries are counted
malformed/ss0|Invalid log sector size 0
malformed/v2|Unsupported log version 2
qemu/g04|is empty: nothing has been logged
qemu/h01|the superblock at byte 0 is all zeroes
END
refuses_to_replay "no log at all" "cannot be opened: No such file" "$tmpdir/none.log"
refuses_to_replay "a folder" "is a directory" "$tmpdir"
mkfifo "$tmpdir/fifo"
refuses_to_replay "a pipe" "neither a regular file nor a block device" "$tmpdir/fifo"
random_image "$tmpdir/random.img" 64K 3
refuses_to_replay "some other file" "this is no dm-log-writes log" "$tmpdir/random.img"

# Each way to cut a log: what is counted is not all there.
take_log synthetic/syn1
cp "$log" "$tmpdir/whole"
size=$(stat -c %s "$log")
started=()
for ((length = 0; length < size; length += 509)); do
    rm -f "$log.idx"
    head -c "$length" "$tmpdir/whole" > "$log"
    try_nbdkit cut "$logreplay_plugin" "$log" && { started+=("$length"); stop_nbdkit cut; }
done
is "${started[*]}" "" "a log of $size bytes, cut at every 509th byte"
rm -f "$tmpdir/cut.log"
done_testing
