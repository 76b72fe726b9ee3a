#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Encryption over each of our filters: on the disk (nbdkit's luks), and on the line (TLS).
. "${0%/*}/stack-functions.sh"
requires qemu-img
timeout 60 qemu-img create -q -f luks --object secret,id=s,data=secret -o key-secret=s,iter-time=10 \
    "$tmpdir/container.img" $size || bail_out "qemu-img makes no LUKS container"
printf 'alice:%s\n' 9f86d081884c7d659a2feaa0c55ad015 > "$tmpdir/keys.psk"

for ours in quorum blkverify logwrites copy-on-read replication; do
    works nbdkit:luks $ours plugin:file
    works nbdkit:tls $ours plugin:file
done
works nbdkit:luks blkverify plugin:our-quorum
done_testing
