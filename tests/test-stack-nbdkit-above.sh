#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# nbdkit's own filters over each of ours.
. "${0%/*}/stack-functions.sh"

for ours in quorum blkverify logwrites copy-on-read replication; do
    for filter in cow cache retry delay error blocksize; do
        if [ "$filter $ours" = "retry replication" ]; then
            refused "another filter such as retry, lets nbdkit serve one request at a time" \
                nbdkit:retry replication plugin:file
        else
            works "nbdkit:$filter" $ours plugin:file
        fi
    done
done
works nbdkit:cow quorum nbdkit:delay plugin:file
works nbdkit:cache nbdkit:retry blkverify logwrites plugin:file
done_testing
