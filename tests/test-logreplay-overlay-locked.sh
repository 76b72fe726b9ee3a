#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A named overlay has one user at a time; clients that come one after the other
# need not wait for each other.
. "${0%/*}/logreplay-functions.sh"
. "${0%/*}/fuse-functions.sh"
requires_fuse

make_log 'write:0:128:1' 'flush'
mkdir "$tmpdir/overlays"
start_logreplay r overlay="$tmpdir/overlays"
ok "a client connects" as_file a "$(state_uri r flush:1)"
fails "a second one is refused" state_io r flush:1 'read 0 4k'
like "$(connection_log r)" "flush:1.overlay' is in use" "and the reason is in the log"
start_logreplay other overlay="$tmpdir/overlays"
fails "by another server too" state_io other flush:1 'read 0 4k'
ok "another state is free" state_io r end 'write -P 3 0 4k'
ok "the client goes" no_file a
for round in 1 2 3 4 5 6; do
    ok "one after the other, $round" state_io r flush:1 "write -P $round 0 4k"
    ok "on the other server" state_io other flush:1 "read -P $round 0 4k" 'read -P 1 4k 4k'
done
done_testing
