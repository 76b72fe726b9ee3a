#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Several connections may be used if all children allow it: a write that one has
# done is seen by all, and a flush of one covers the writes of all.
. "${0%/*}/quorum-fault-functions.sh"
requires_nbdkit_filter multi-conn

three_images 1M
advertised() { timeout 30 nbdinfo "$(uri_of "$1")" | sed -n 's/.*can_multi_conn: //p'; }
serve_image three "$tmpdir/3.raw"
start_quorum q "$tmpdir"/{1,2}.raw "$(uri_of three)"
watch_events q
is "$(advertised q)" true "children that allow it: it is offered"
flushes=$(child_value children.2 counters/flushes)
ok "four connections" stress q --connections=4 --depth=4 --requests=2000 --size=128k
ok "flushes got to all children" child_at_least children.2 counters/flushes $((flushes + 1))
identical "the children are equal"
stop_nbdkit q
stop_nbdkit three

start_nbdkit three --filter=multi-conn file "$tmpdir/3.raw" multi-conn-mode=disable
start_quorum q "$tmpdir"/{1,2}.raw "$(uri_of three)"
watch_events q
ok "with a child that does not, clients still see one disk" stress q --connections=4 --depth=4 \
    --requests=2000 --size=128k
identical "the children are equal"
never_differed "nobody was called a liar"
diag "offered then: $(advertised q)"
done_testing
