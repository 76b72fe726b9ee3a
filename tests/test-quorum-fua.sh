#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# FUA gets to the children: a server child sees the flag, a file child is synced
# before the write is acknowledged.  A write without it costs no sync.
. "${0%/*}/quorum-fault-functions.sh"
requires_nbdkit_filter log
requires strace
requires_no_sanitizers

three_images 1M
start_nbdkit two --filter=log file "$tmpdir/2.raw" logfile="$tmpdir/two.requests"
start_quorum q "$tmpdir/1.raw" "$(uri_of two)" "$tmpdir/3.raw"
watch_events q
strace -f -qq -y -e trace=fdatasync,fsync,pwritev2,sync_file_range -o "$tmpdir/trace" \
    -p "$(pid_of q)" 2> /dev/null &
at_exit_kill $!
traced() { grep -q -v '^TracerPid:[[:space:]]*0' <(grep TracerPid "/proc/$(pid_of q)/status"); }
wait_for 10 traced || skip_all "strace does not work here"

requests() { grep -E "$1" "$tmpdir/two.requests" | grep -c -E "$2"; }
syncs() { grep -c -E "(f(data)?sync\([0-9]+<$1>|pwritev2\([0-9]+<$1>.*RWF_DSYNC)" "$tmpdir/trace"; }

# The client ends with a flush, so the syncs of a plain write come after it.
ok "a write with FUA" qemu_io q -t writeback -c 'write -f -P 0x51 0 64k' -c 'read -P 0x51 0 64k'
ok "the server child was told" test "$(requests ' Write id=' 'fua=1')" -ge 1
ok "file child 1 was synced" wait_for 5 test "$(syncs "$tmpdir/1.raw")" -ge 1
ok "file child 3 was synced" test "$(syncs "$tmpdir/3.raw")" -ge 1
told=$(requests ' Write id=' 'fua=1')
ok "a write without" qemu_io q -t writeback -c 'write -P 0x52 64k 64k'
is "$(requests ' Write id=' 'fua=1')" "$told" "the server child was not told anything of FUA"
ok "zeroes with FUA" qemu_io q -t writeback -c 'write -z -f 128k 64k'
ok "the server child was told" test "$(requests ' Zero id=' 'fua=1')" -ge 1
ok "(and was flushed in between)" test "$(requests ' Flush id=' .)" -ge 1
done_testing
