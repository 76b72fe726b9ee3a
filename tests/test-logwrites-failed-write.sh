#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What the device could not do is not in the log: a write, a zero, a trim; and a
# flush that failed is a mark.
. "${0%/*}/logwrites-functions.sh"
requires_nbdkit_filter error

empty_image "$tmpdir/disk.img" 1M
below=(--filter=error file "$tmpdir/disk.img" error-pwrite-rate=100% error-zero-rate=100%
    error-pwrite=ENOSPC error-zero=EIO error-file="$tmpdir/broken")
start_logwrites l
ok "a write" requests l 'write -P 1 0 4k'
touch "$tmpdir/broken"
fails_like "a write that fails" 'No space' qemu_io l -c 'write -P 2 4k 4k'
fails_like "a zero that fails" 'Input/output' qemu_io l -c 'write -z 0 4k'
fails_like "a trim that fails" 'Input/output' qemu_io l -d unmap -c 'discard 0 4k'
fails "a write with FUA that fails" qemu_io l -c 'write -f -P 2 4k 4k'
rm "$tmpdir/broken"
ok "another write" requests l 'write -P 3 8k 4k'
stop_nbdkit l
is "$(entries | grep -v FLUSH)" $'0+8 NONE\n16+8 NONE' "only what succeeded is in the log"
is_whole "a replay equals the device"

# nbdkit's error filter leaves flushes alone.
cat > "$tmpdir/plugin.sh" <<'EOF'
case $1 in
    get_size) echo 1M ;;
    can_write|can_flush) exit 0 ;;
    pread) head -c "$3" /dev/zero ;;
    pwrite) cat > /dev/null ;;
    flush) [ ! -e "$BROKEN" ] || { echo EIO the disk is gone >&2; exit 1; } ;;
    *) exit 2 ;;
esac
EOF
chmod +x "$tmpdir/plugin.sh"
rm -f "$log" "$tmpdir/disk.img"
export BROKEN=$tmpdir/broken
below=(sh "$tmpdir/plugin.sh")
start_logwrites f
ok "a flush" requests f flush
touch "$BROKEN"
fails "a flush that fails" qemu_io f -c flush
stop_nbdkit f
like "$(entries | paste -s -d ' ')" '^(0\+0 FLUSH )+(0\+0 MARK logwrites-flush-failed ?)+$' \
    "a failed flush is a mark that says so"
done_testing
