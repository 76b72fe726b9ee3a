#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# nbdkit -r serves states that cannot be written; then, and only then, a client
# may use several connections, because all show the same.
. "${0%/*}/logreplay-functions.sh"

make_log 'write:0:128:1' 'flush'
property() { timeout 20 nbdinfo "$(state_uri "$1" flush:1)" | sed -n "s/.*$2: //p"; }
start_logreplay rw
is "$(property rw is_read_only)" false "without -r it can be written"
is "$(property rw can_multi_conn)" false "and has one connection"
stop_nbdkit rw
nbdkit_options=(-r)
start_logreplay ro
is "$(property ro is_read_only)" true "with -r it cannot"
is "$(property ro can_multi_conn)" true "and may have several"
fails "a write is refused" state_io ro flush:1 'write 0 4k'
ok "a copy over several connections" timeout 30 nbdcopy --connections=4 \
    "$(state_uri ro flush:1)" "$tmpdir/copy.img"
ok "is the state" cmp -n 65536 "$tmpdir/copy.img" <(head -c 65536 /dev/zero | tr '\0' '\1')
done_testing
