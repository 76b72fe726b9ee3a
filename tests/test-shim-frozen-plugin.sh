#!/usr/bin/env bash
# A plugin that hangs, here one whose server is frozen, costs a request its
# timeout and no more, and the server can still be ended.
. "${0%/*}/shim-functions.sh"

start_nbdkit remote memory 8M
start_nbdkit filtered --filter="$pass_filter" nbd socket="$tmpdir/remote.sock" pass-timeout=1s
ok "it works" qemu_io filtered -c 'write -P 5 0 64k' -c 'read -P 5 0 64k'

freeze "$(pid_of remote)"
fails_like "a read ends with an error" 'Input/output error' qemu_io filtered -c 'read 0 64k'
ok "a new client is let in" timeout 10 nbdinfo --size "$(uri_of filtered)"

begin=$(date +%s%N)
stop_nbdkit filtered 10
is $? 0 "SIGTERM ends the server"
took=$((($(date +%s%N) - begin) / 1000000))
ok "in bounded time ($took ms)" test $took -lt 8000

thaw "$(pid_of remote)"
done_testing
