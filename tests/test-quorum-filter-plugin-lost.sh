#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A plugin below that fails everything with EIO, until it is opened again, is told from
# one that has a bad sector: the first comes back, the second keeps its connection.
. "${0%/*}/quorum-fault-functions.sh"
scripts_work || skip_all "scripts do not run under the thread sanitizer"

three_images 1M
export disk=$tmpdir/1.raw generation=$tmpdir/generation bad=$tmpdir/bad opened=$tmpdir/opened
echo 1 > "$generation"
# shellcheck disable=SC2016
start_nbdkit q --filter="$quorum_filter" eval thread_model='echo parallel' \
    open='echo x >> "$opened"; cat "$generation"' get_size='echo 1M' can_write='exit 0' \
    can_flush='exit 0' flush='exit 0' \
    pread='if [ "$2" != "$(cat "$generation")" ] || [ "$4" = "$(cat "$bad" 2>/dev/null)" ]; then
               echo EIO it is gone >&2; exit 1
           fi
           dd if="$disk" skip="$4" count="$3" iflag=skip_bytes,count_bytes status=none' \
    pwrite='if [ "$2" != "$(cat "$generation")" ]; then echo EIO it is gone >&2; exit 1; fi
            dd of="$disk" seek="$4" oflag=seek_bytes conv=notrunc status=none' \
    quorum-child="$tmpdir/2.raw" quorum-child="$tmpdir/3.raw" quorum-control="$(control_of q)"
watch_events q
ok "it is written" qemu_io q -c 'write -P 1 0 64k' -c 'read -P 1 0 64k'

echo 65536 > "$bad"
before=$(child_value children.0 counters/links-lost)
ok "one place is bad: the others serve it" qemu_io q -c 'read 64k 4k' -c 'read 64k 4k'
ok "and the rest is served" qemu_io q -c 'read -P 1 0 64k'
ok "it was looked at, through another connection" wait_for 10 eval '[ "$(wc -l < "$opened")" -ge 2 ]'
is "$(child_value children.0 counters/links-lost)" "$before" "its connection is not given up for that"
is "$(child_value children.0 link)" up "which is up"
rm "$bad"

echo 2 > "$generation"
ok "all is lost: the others serve" qemu_io q -c 'write -P 2 128k 64k' -c 'read -P 2 128k 64k'
recovers "it is opened again and used"
ok "it is written" qemu_io q -c 'write -P 3 512k 64k' -c flush
ok "and equal to the others" cmp "$tmpdir/1.raw" "$tmpdir/2.raw"
done_testing
