#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What was trimmed is compared, fairly: a trim goes to both sides as zeroes that
# may be unmapped, whatever each would have done with a real trim.
. "${0%/*}/blkverify-functions.sh"
requires qemu-nbd

# The reference's server ignores discards; the file below would punch a hole.
two_images 1M 0x55
start_qemu_nbd raw -f raw --discard=ignore "$tmpdir/raw.raw"
start_blkverify v blkverify-raw="$(uri_of raw)"
watch_events v
ok "a trim" qemu_io v -c 'discard 64k 128k'
ok "reads as zeroes" qemu_io v -c 'read -P 0 64k 128k'
ok "its neighbours are as they were" qemu_io v -c 'read -P 0x55 0 64k' -c 'read -P 0x55 192k 64k'
is "$(operation trim requests)" 1 "the trim came through"
no_false_alarm "no difference"
is "$(status reference/untrusted-bytes)" 0 "and it is compared"
stop_nbdkit v

# After a restart nothing is known about trims, and nothing has to be.
start_blkverify again blkverify-raw="$(uri_of raw)"
watch_events again
ok "all is equal after a restart" qemu_io again -c 'read 0 1M'
no_false_alarm "no difference after a restart"
is "$(operation read compared)" 1 "and it was compared"
stop_nbdkit again

# A plugin without zeroes of its own: no trim is offered.
below=(eval get_size='echo 1M' pread='dd if=/dev/zero count=$3 iflag=count_bytes' can_write='exit 0'
    pwrite='cat > /dev/null' can_trim='exit 0' trim='exit 0' thread_model='echo parallel')
empty_image "$tmpdir/raw.raw" 1M
start_blkverify plain
unlike "$(nbdinfo "$(uri_of plain)")" 'can_trim: true' "no zeroes, no trim"
done_testing
