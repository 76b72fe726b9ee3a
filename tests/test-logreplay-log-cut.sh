#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A log that is cut while it is served: what is missing cannot be read, what is
# there can, and the server lives.
. "${0%/*}/logreplay-functions.sh"

make_log 'write:0:128:1' 'flush' 'write:128:128:2' 'flush'
start_logreplay r
ok "all of it" state_io r end 'read -P 1 0 64k' 'read -P 2 64k 64k'
truncate -s 68k "$log"
ok "what is there" state_io r end 'read -P 1 0 64k'
ok "a state that needs no more" state_io r flush:1 'read -P 1 0 64k'
fails_like "what is missing" 'Input/output error' state_io r end 'read 64k 64k'
fails_like "also in one read with what is there" 'Input/output error' state_io r end 'read 0 128k'
ok "what a client writes itself" state_io r end 'write -P 3 64k 64k' 'read -P 3 64k 64k'
truncate -s 0 "$log"
fails_like "nothing is left" 'Input/output error' state_io r flush:1 'read 0 64k'
ok "the list is as before" test "$(timeout 20 nbdinfo --list "$(uri_of r)" | grep -c export=)" = 4
stop_nbdkit r
is $? 0 "the server ends in order"
done_testing
