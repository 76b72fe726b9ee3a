#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU's case 216: one copy over another, over an image with a backing file; what
# was read is in the copies, and the images can go.
. "${0%/*}/cor-functions.sh"
requires qemu-img qemu-nbd

cd "$tmpdir" || exit 1
qemu-img create -q -f qcow2 base.qcow2 64M
qemu-io -f qcow2 -c 'write -P 1 0 1M' base.qcow2 > /dev/null
qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 top.qcow2
qemu-io -f qcow2 -c 'write -P 2 1M 1M' top.qcow2 > /dev/null
start_qemu_nbd top -r -f qcow2 top.qcow2
start_cor lower "$(uri_of top)"
start_cor upper "$(uri_of lower)"
ok "all of it is read" qemu_io upper -c 'read 0 32M' -c 'read 32M 32M'
is "$(status_of lower complete)" true "the lower copy is complete"
is "$(status_of upper complete)" true "and so is the upper one"
end_process "$(pid_of top)"
qemu-io -f qcow2 -c 'discard 0 64M' base.qcow2 > /dev/null
for name in upper lower; do
    stop_nbdkit $name
    ok "the $name copy alone has all" timeout 60 qemu-io -f raw -r -c 'read -P 1 0 1M' \
        -c 'read -P 2 1M 1M' -c 'read -P 0 2M 62M' "$(copy_of $name)"
    unlike "$(cat "$tmpdir/.ok.log")" failed "and it is right"
done

# Two filters of one kind in one server: nbdkit loads a module once.
fails_like "the filter twice in one server is refused" 'loaded 2 times' \
    timeout 20 nbdkit -U - --filter="$cor_filter" --filter="$cor_filter" null 1M \
    cor-file="$tmpdir/twice.raw" --run true
done_testing
