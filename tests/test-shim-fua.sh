#!/usr/bin/env bash
# A write with FUA is durable before it is answered: the plugin below sees FUA,
# or a flush after the write.
. "${0%/*}/shim-functions.sh"

# fua_of MODE [ARGUMENT]: what is asked below for one write with FUA.
fua_of()
{
    start_nbdkit "$1" --filter="$pass_filter" --filter=log --filter=fua memory 4M \
        logfile="$tmpdir/$1.requests" ${2:+"$2"}
    ok "$1: write" qemu_io "$1" -c 'write -f -P 5 0 64k'
    stop_nbdkit "$1"
    requests=$(grep -o -E 'Write .*fua=[01]|Flush .*\.\.\.' "$tmpdir/$1.requests" |
        sed -e 's/Write.*fua=/write fua=/' -e 's/Flush.*/flush/' | tr '\n' ';')
}

fua_of native fuamode=native
like "$requests" '^write fua=1;' "native: FUA is handed on"
fua_of emulate fuamode=emulate
like "$requests" '^write fua=1;' "emulate: nbdkit does the flush"
fua_of none  # nbdkit's fua filter hides it by default
like "$requests" '^write fua=0;flush;' "none: a flush follows the write"

done_testing
