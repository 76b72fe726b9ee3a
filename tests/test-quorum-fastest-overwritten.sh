#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What a slow child answers to a read is not compared with data that have been
# overwritten since: no false reports.
. "${0%/*}/quorum-fault-functions.sh"
requires_nbdkit_filter delay

three_images 1M
start_nbdkit three --filter=delay file "$tmpdir/3.raw" delay-read=40ms
start_quorum q "$tmpdir"/{1,2}.raw "$(uri_of three)" quorum-read-pattern=fastest \
    quorum-rewrite-corrupted=true
watch_events q
ok "what was read is right" stress q --requests=3000 --size=64k --largest=8k
ok "the slow child was asked" child_at_least children.2 counters/reads 50
never_differed "nobody was called a liar"
identical "the children are equal"
done_testing
