#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU's case 310: of a chain of images only the top ones are copied.
. "${0%/*}/cor-functions.sh"
requires qemu-img qemu-nbd

cd "$tmpdir" || exit 1
qemu-img create -q -f qcow2 base.qcow2 10M
qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 mid.qcow2
qemu-img create -q -f qcow2 -b mid.qcow2 -F qcow2 top.qcow2
qemu-io -f qcow2 -c 'write -P 1 0 1M' -c 'write -P 1 3M 1M' base.qcow2 > /dev/null
qemu-io -f qcow2 -c 'write -P 3 2M 1M' -c 'write -P 3 4M 1M' mid.qcow2 > /dev/null
qemu-io -f qcow2 -c 'write -P 2 1M 1M' top.qcow2 > /dev/null
chain_is_right()
{
    qemu_io "$1" -c 'read -P 1 0 1M' -c 'read -P 2 1M 1M' -c 'read -P 3 2M 1M' \
        -c 'read -P 1 3M 1M' -c 'read -P 3 4M 1M' -c 'read -P 0 5M 5M'
}

start_qemu_nbd chain -r -A -f qcow2 top.qcow2
start_cor two "$(uri_of chain)" cor-max-depth=2
ok "all layers are read" qemu_io two -c 'read 0 5M'
is "$(data_of "$(copy_of two)")" '1048576+2097152 4194304+1048576' "two of them are copied"
is "$(counter_of two passed-bytes)" $((2 << 20)) "the third is passed on"
ok "what is read is right" chain_is_right two
ok "a read across the border" qemu_io two -c 'read -P 1 3000k 0' -c 'read -P 3 3071k 1k' \
    -c 'read -P 1 3M 1k'
ok "a part of a cluster that is not copied can be written" \
    qemu_io two -c 'write -P 9 3500k 1k' -c 'read -P 9 3500k 1k' -c 'read -P 1 3499k 1k'
stop_nbdkit two
ok "the copy alone has those" timeout 60 qemu-io -f raw -r -c 'read -P 0 0 1M' \
    -c 'read -P 2 1M 1M' -c 'read -P 3 2M 1M' -c 'read -P 0 3M 100k' -c 'read -P 3 4M 1M' \
    "$(copy_of two)"
unlike "$(cat "$tmpdir/.ok.log")" failed "and not the base's data"

start_cor one "$(uri_of chain)" cor-max-depth=1 cor-stream=true
stream_ended() { [ "$(stream_of one remaining-bytes)" = 0 ]; }
ok "a stream of one layer ends" wait_for 30 stream_ended
is "$(stream_of one state)" complete "and says so"
is "$(data_of "$(copy_of one)")" '1048576+1048576' "and has copied that"
ok "what is read is right, too" chain_is_right one

start_qemu_nbd plain -r -f qcow2 top.qcow2
refuses_to_start "a server that does not tell depths is refused" \
    'does not offer qemu:allocation-depth' none "$(uri_of plain)" cor-max-depth=1
refuses_to_start "and a file" 'a file has no layers' none "$tmpdir/base.qcow2" cor-max-depth=1
cor_form=filter
refuses_to_start "and the filter" 'the filter cannot ask' none "$tmpdir/base.qcow2" cor-max-depth=1
done_testing
