#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A part of the disk, through nbdkit's offset and partition, over each of our filters.
. "${0%/*}/stack-functions.sh"
part_of_disk

for ours in quorum blkverify logwrites copy-on-read replication; do
    works nbdkit:offset $ours plugin:file
    works nbdkit:partition $ours plugin:file
done
works nbdkit:partition blkverify plugin:our-quorum
done_testing
