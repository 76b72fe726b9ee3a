#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# A server that fails when it is told to: nbdkit's sh plugin on the image $IMAGE.
# The file $FAULTS says what fails, one fault per line, and may change at any
# time:
#
#     OPERATION ERRNO [SECTOR]     read EIO      write ENOSPC     read EIO 10
#
# An operation with a SECTOR fails only if it touches that sector.  Nothing is
# read or written when an operation fails.

# fault OPERATION [OFFSET LENGTH [data]]; with data on standard input, which nbdkit
# wants to be read in any case
fault()
{
    while read -r operation errno sector; do
        [ "$operation" = "$1" ] || continue
        if [ -z "$sector" ] || { [ "$2" -lt $(((sector + 1) * 512)) ] &&
            [ $(($2 + $3)) -gt $((sector * 512)) ]; }; then
            [ "${4:-}" = '' ] || cat > /dev/null <&3
            echo "$errno told to fail" >&2
            exit 1
        fi
    done 3<&0 < "$FAULTS"
}

case $1 in
thread_model) echo parallel ;;
get_size) stat -c %s "$IMAGE" ;;
can_write | can_flush | can_zero | can_extents) ;;
pread)
    fault read "$4" "$3"
    dd if="$IMAGE" iflag=skip_bytes,count_bytes skip="$4" count="$3" bs=1M status=none
    ;;
pwrite)
    fault write "$4" "$3" data
    dd of="$IMAGE" oflag=seek_bytes seek="$4" iflag=fullblock bs=1M conv=notrunc status=none
    ;;
zero)
    fault write "$4" "$3"
    head -c "$3" /dev/zero |
        dd of="$IMAGE" oflag=seek_bytes seek="$4" iflag=fullblock bs=1M conv=notrunc status=none
    ;;
flush) fault flush ;;
extents)
    fault extents "$4" "$3"
    echo "$4 $3"
    ;;
*) exit 2 ;;
esac
