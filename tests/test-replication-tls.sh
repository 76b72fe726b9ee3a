#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# With TLS on the secondary all three exports are behind it: writes, commands and
# what they return go through it, and who does not speak it, or has another key, is
# refused before anything is changed.
. "${0%/*}/replication-pair-functions.sh"
requires psktool

psk() { timeout 20 psktool -u standby -p "$1" > /dev/null 2>&1; }
ok "a key" psk "$tmpdir/keys.psk"
ok "another key of the same name" psk "$tmpdir/other.psk"
# nbds EXPORT KEYS
nbds() { echo "nbds+unix://standby@/$1?socket=$tmpdir/b.sock&tls-psk-file=$2"; }
no_secret_in_log() { ! grep -q -F "$(cut -d: -f2 "$tmpdir/keys.psk")" "$tmpdir/a.log"; }

empty_image "$tmpdir/b.disk" 16M
random_image "$tmpdir/a.disk" 16M 1
# Nobody looks at the export but over TLS, the test itself neither.
start_tls_secondary()
{
    try_nbdkit b "$@" --filter="$replication_filter" file "$tmpdir/b.disk" \
        replication-mode=secondary replication-active="$run/b.active" \
        replication-hidden="$run/b.hidden" replication-bitmap="$run/b.changes" \
        replication-control="$(control_of b)" || bail_out "the secondary did not start"
}
start_tls_secondary --tls=require --tls-psk="$tmpdir/keys.psk"
on b
for export in primary control ""; do
    fails_like "the export '$export' without TLS" 'TLS' \
        timeout 20 nbdinfo --size "$(export_uri b "$export")"
    ok "and with it" timeout 20 nbdinfo --size "$(nbds "$export" "$tmpdir/keys.psk")"
done

primary_refused "a primary without TLS is refused, with the reason" \
    'replication-secondary=nbd\+unix:.*TLS' a b
primary_refused "one with another key, too" 'replication-secondary=nbds\+unix:.*(handshake|TLS)' \
    a b replication-secondary="$(nbds primary "$tmpdir/other.psk")"
state_is "nothing was started" none
is "$(replication_value epoch)" 0 "no pair was made"

start_primary a b replication-secondary="$(nbds primary "$tmpdir/keys.psk")"
on a
in_sync_comes "a primary with the key copies its disk"
ok "the guest writes" guest_io a 'write -P 0x22 1M 2M' flush
does "a checkpoint travels" replication-checkpoint
number=$(replication_value checkpoint)
ok "the guest writes on" guest_io a 'write -P 0x33 1M 2M' flush
ok "the key is in no message" no_secret_in_log
on b
is "$(replication_value checkpoint)" "$number" "the secondary has made it"

ok "the connection is cut: the secondary is killed" kill_nbdkit b
on a
phase_comes "which is seen" connecting
start_tls_secondary --tls=require --tls-psk="$tmpdir/keys.psk"
on a
in_sync_comes "and it comes back by itself, over TLS"
does "with another checkpoint" replication-checkpoint
kill_nbdkit a
unset '_session_out[b]'
on b
does "a failover" replication-failover
state_comes "ends" "done"
ok "with the last checkpoint" \
    cmp "$tmpdir/a.disk" <(nbdcopy "$(nbds "" "$tmpdir/keys.psk")" -)
stop_nbdkit b
done_testing
