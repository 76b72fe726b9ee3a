#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A child freezes while it is copied to, and one that is copied from freezes:
# clients go on, and the resync ends when they thaw.
. "${0%/*}/quorum-fault-functions.sh"

for i in 1 2 3; do random_image "$tmpdir/$i.raw" 6M 3; done
serve_image two "$tmpdir/2.raw"
serve_image three "$tmpdir/3.raw"
start_quorum q "$tmpdir/1.raw" "$(uri_of two)" "$(uri_of three)" quorum-timeout=1500ms \
    quorum-resync-rate=4M
watch_events q

is_under_way()
{
    local bytes
    bytes=$(child_value "$1" stale-bytes)
    [ "$bytes" -gt 0 ] && [ "$bytes" -lt $((5500 << 10)) ]
}
# begin_resync CHILD: and waits until some of it has been copied.
begin_resync()
{
    does "a resync begins" resync-start child="$1" full=true
    wait_for 10 is_under_way "$1" || fail "it does not get on"
}

begin_resync children.1
freeze "$(pid_of two)"
within 4500 "target frozen: a write" qemu_io q -c 'write -P 0x51 0 2M'
within 4500 "target frozen: a read" qemu_io q -c 'read -P 0x51 0 2M'
within 1200 "target frozen: nobody waits any more" qemu_io q -c 'read -P 0x51 0 2M'
thaw "$(pid_of two)"
recovers "target frozen: it is finished" 40

begin_resync children.1
freeze "$(pid_of three)"
# Children 0 and 2 are the only two that hold all: no quorum without one of them.
wait_for 10 child_value_is children.2 state suspect || wait_for 1 child_value_is children.2 state aside
isnt "$(child_value children.2 state)" online "source frozen: noticed by the resync itself"
thaw "$(pid_of three)"
recovers "source frozen: it is finished" 40
ok "the data are right" qemu_io q -c 'read -P 0x51 0 2M'
identical "the children are equal"
never_differed "nobody was called a liar"
done_testing
