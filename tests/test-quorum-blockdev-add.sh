#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# blockdev-add in QEMU's form: what a driver would make of an image is refused, and
# never written over as if it were raw; a filename is a path, whatever it looks like.
. "${0%/*}/quorum-fault-functions.sh"
requires qemu-img

three_images 1M 0x11
start_quorum q "$tmpdir"/{1,2}.raw quorum-threshold=2
watch_events q

# refused_like NAME REGEX ARGUMENT...: of blockdev-add
refused_like()
{
    local name=$1 regex=$2
    shift 2
    fails "$name" control blockdev-add node-name=n "$@"
    like "$refusal" "$regex" "$name: why"
}

timeout 20 qemu-img create -q -f qcow2 "$tmpdir/3.qcow2" 1M
cp "$tmpdir/3.qcow2" "$tmpdir/before.qcow2"
in_qcow2="{\"driver\":\"file\",\"filename\":\"$tmpdir/3.qcow2\"}"
refused_like "qcow2" "^Driver 'qcow2' is not supported: .*qemu-nbd -f qcow2" driver=qcow2 \
    file="$in_qcow2"
refused_like "qcow2 by its filename" "^Driver 'qcow2'" driver=qcow2 filename="$tmpdir/3.qcow2"
refused_like "qcow2 below raw" "^Driver 'qcow2'" driver=raw \
    file="{\"driver\":\"qcow2\",\"file\":$in_qcow2}"
refused_like "a part of a file" "'offset' is not supported with driver=file" driver=raw \
    file="{\"driver\":\"file\",\"filename\":\"$tmpdir/3.raw\",\"offset\":512}"
refused_like "another node as the file" "'file' must describe a device" driver=raw file=other
refused_like "no filename" "'filename' is missing" driver=file
refused_like "a filename and a file" "'filename' is not supported" driver=raw \
    filename="$tmpdir/3.raw" file="$in_qcow2"
refused_like "spec and driver" "spec names the whole device" spec="$tmpdir/3.raw" driver=file
ok "the image is as it was" cmp "$tmpdir/3.qcow2" "$tmpdir/before.qcow2"

serve_image three "$tmpdir/3.raw"
refused_like "a command is no filename" "/\[ touch .*does not exist" driver=file \
    filename="[ touch $tmpdir/touched ]"
fails "and was not run" test -e "$tmpdir/touched"
refused_like "nor is a URI" "does not exist" driver=raw filename="$(uri_of three)"
refused_like "also not with driver=nbd" "'filename' is not supported with driver=nbd" driver=nbd \
    filename="$(uri_of three)"
refused_like "a server of another type" "unix or inet" driver=nbd \
    server='{"type":"vsock","cid":"1","port":"1"}'

does "an NBD server in QEMU's form" blockdev-add node-name=n driver=nbd \
    server="{\"type\":\"unix\",\"path\":\"$tmpdir/three.sock\"}"
does "is added" x-blockdev-change parent=quorum node=n
recovers "and filled"
does "is removed" child-remove child=n
ok "a file below raw" control blockdev-add node-name=m driver=raw \
    file="{\"driver\":\"file\",\"filename\":\"$tmpdir/3.raw\"}"

done_testing
