#!/usr/bin/env bash
# A write with FUA is durable before it is answered: the plugin below sees FUA,
# or a flush after the write.
. "${0%/*}/shim-functions.sh"

# requests_of NAME COMMAND [ARGUMENT]: the writes and flushes that arrive below
# for one command of qemu-io.  With its default cache mode every write has FUA;
# with writeback only those that are told to, and it flushes when it ends.
requests_of()
{
    start_nbdkit "$1" --filter="$pass_filter" --filter=log --filter=fua memory 4M \
        logfile="$tmpdir/$1.requests" ${3:+"$3"}
    ok "$1: write" qemu_io "$1" -t writeback -c "$2"
    stop_nbdkit "$1"
    requests=$(grep -o -E 'Write .*fua=[01]|Flush .*\.\.\.' "$tmpdir/$1.requests" |
        sed -e 's/Write.*fua=/write fua=/' -e 's/Flush.*/flush/' | tr '\n' ';')
}

requests_of plain 'write -P 5 0 64k'
is "$requests" 'write fua=0;flush;' "without FUA: a write, and the client's own flush"
requests_of native 'write -f -P 5 0 64k' fuamode=native
is "$requests" 'write fua=1;flush;' "native: FUA is handed on"
requests_of emulate 'write -f -P 5 0 64k' fuamode=emulate
is "$requests" 'write fua=1;flush;' "emulate: nbdkit does the flush"
requests_of none 'write -f -P 5 0 64k'  # nbdkit's fua filter hides it by default
is "$requests" 'write fua=0;flush;flush;' "none: a flush follows the write"

done_testing
