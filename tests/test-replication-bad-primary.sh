#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A primary that cannot be: each with a message that names the thing and says what to do.
. "${0%/*}/replication-pair-functions.sh"

empty_image "$tmpdir/a.disk" 8M
empty_image "$tmpdir/b.disk" 8M
empty_image "$tmpdir/c.disk" 8M
empty_image "$tmpdir/d.disk" 9M
bad() # NAME REGEX PARAMETER...
{
    local name=$1 regex=$2
    shift 2
    rm -f "$tmpdir/x.log"
    if try_nbdkit x --filter="$replication_filter" file "$tmpdir/a.disk" \
        replication-mode=primary "$@"; then
        fail "$name" "it started"
        stop_nbdkit x
    else
        like "$(cat "$tmpdir/x.log")" "$regex" "$name"
    fi
}
bad "no secondary" 'replication-secondary= is missing: give the secondary'
bad "a path" 'replication-secondary=/x: a secondary is a server of its own' replication-secondary=/x
bad "a command" 'a secondary is a server of its own' 'replication-secondary=[ nbdkit null ]'
bad "another export" "this is the export 'x'; give the URI of the secondary's export .primary'" \
    replication-secondary=nbd://localhost/x
bad "no server" 'cannot use .*sure that it was not promoted' \
    replication-secondary="nbd+unix:///primary?socket=$tmpdir/none.sock"
start_nbdkit n memory 8M
bad "a server that is no secondary" 'is none of a replication secondary' \
    replication-secondary="$(export_uri n primary)"
bad "a mode of the other side" 'The primary side does not support option replication-active' \
    replication-secondary=nbd://h/primary replication-active=/x
for value in replication-protocol=x replication-backlog=x replication-backlog-full=x \
    replication-checkpoint-on=x replication-checkpoint-interval=-1 replication-timeout=0 \
    replication-autostart=x replication-resync-rate=x; do
    bad "$value" "${value%=*}=.*: expects" replication-secondary=nbd://h/primary "$value"
done
start_secondary b
primary_refused "another size" "the primary's disk has 9437184 bytes, this one 8388608" d b
ok "its identity goes" rm -f "$tmpdir/d.disk.replication"
start_primary a b
on a
in_sync_comes "a pair"
stop_nbdkit a
primary_refused "a disk of another pair" 'other-pair.*unrelated disks' c b
printf x | dd of="$tmpdir/a.disk.replication" bs=1 seek=30 conv=notrunc status=none
primary_refused "a damaged identity" 'a.disk.replication' a b
stop_nbdkit b
primary_refused "a secondary's disk is no primary" 'is the secondary of epoch 1.*promote it' b c
done_testing
