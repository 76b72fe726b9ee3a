#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# overlay=FOLDER keeps what clients write, for each state its own: for the next
# connection, and for the next server.
. "${0%/*}/logreplay-functions.sh"

make_log 'write:0:128:1' 'flush' 'mark:a/b' 'write:0:64:2'
mkdir "$tmpdir/overlays"
start_logreplay r overlay="$tmpdir/overlays"
ok "a client writes" state_io r flush:1 'write -P 7 4k 4k' 'write -z 8k 4k' flush
ok "the next one sees it" state_io r flush:1 'read -P 1 0 4k' 'read -P 7 4k 4k' 'read -P 0 8k 4k'
ok "other states do not" state_io r end 'read -P 2 0 32k'
ok "a name with a slash" state_io r mark:a/b 'write -P 8 0 4k'
is "$(cd "$tmpdir/overlays" && echo *)" \
    "flush:1.overlay flush:1.overlay.map mark:a%2Fb.overlay mark:a%2Fb.overlay.map" \
    "the files; none for a client that only read"
stop_nbdkit r
start_logreplay r overlay="$tmpdir/overlays"
ok "another server has it too" state_io r flush:1 'read -P 7 4k 4k' 'read -P 0 8k 4k'
ok "and the other one, closed without a flush" state_io r mark:a/b 'read -P 8 0 4k'
stop_nbdkit r
start_logreplay r overlay="$tmpdir/overlays" point=flush:1
ok "the default export is the state that it means" state_io r "" 'read -P 7 4k 4k'
stop_nbdkit r

# The same name of another log is something else.
make_log 'write:0:128:9' 'discard:0:8' 'flush' 'write:0:64:2'
start_logreplay r overlay="$tmpdir/overlays"
fails "another log" state_io r flush:1 'read 0 4k'
like "$(connection_log r)" "flush:1.overlay: this overlay was made for another device" "is refused"
done_testing
