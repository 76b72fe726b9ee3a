#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU's blklogwrites goes on with our log, and we with QEMU's.
. "${0%/*}/logwrites-functions.sh"
requires qemu-storage-daemon

# run_qemu: serves the device with QEMU's filter, until its client is gone.
run_qemu()
{
    qemu-storage-daemon --blockdev driver=file,node-name=disk,filename="$tmpdir/disk.img" \
        --blockdev driver=file,node-name=log,filename="$log" \
        --blockdev driver=blklogwrites,node-name=logged,file=disk,log=log,log-append=on,discard=unmap \
        --nbd-server addr.type=unix,addr.path="$tmpdir/qemu.sock" \
        --export type=nbd,id=e,node-name=logged,name=,writable=on > "$tmpdir/qemu.log" 2>&1 &
    qemu=$!
    at_exit_kill $qemu
    wait_for 20 timeout 5 nbdinfo --size "nbd+unix:///?socket=$tmpdir/qemu.sock" || return 1
    timeout 20 qemu-io -f raw -d unmap "$@" "nbd+unix:///?socket=$tmpdir/qemu.sock"
    kill $qemu
    wait_for 10 is_gone $qemu
}

empty_image "$tmpdir/disk.img" 1M
start_logwrites l
ok "requests of all kinds" requests l 'write -P 1 0 4k' 'write -z 8k 8k' 'discard 1000 9000' 'write -f 100 50'
ok "a mark" mark l here
stop_nbdkit l
ours=$(entries)
ok "QEMU appends to it" run_qemu -c 'write -P 5 64k 4k' -c flush
is "$(entries | head -n "$(wc -l <<< "$ours")")" "$ours" "our entries are still there"
like "$(entries | tail -n +$(($(wc -l <<< "$ours") + 1)) | paste -s -d ' ')" '128\+8 NONE 0\+0 FLUSH' "QEMU's are behind them"
start_logwrites m logwrites-append=true
ok "we append again" requests m 'write -P 6 128k 4k'
stop_nbdkit m
is "$(entries | tail -n 2 | paste -s -d ' ')" '256+8 NONE 0+0 FLUSH' "and ours are last"
is_whole "a replay equals the device"
done_testing
