#!/usr/bin/env bash
# An exception in a request is EIO for that request, a line in the log, and no
# more: the server lives.
. "${0%/*}/shim-functions.sh"

empty_image "$tmpdir/disk" 1M

# throws FORM OPERATION COMMAND ARGUMENT...
throws()
{
    local name=$1-$2 operation=$2 command=$3
    shift 3
    start_nbdkit "$name" "$@" pass-throw="$operation"
    fails_like "$name: EIO" 'Input/output error' qemu_io "$name" -c "$command"
    ok "$name: the server lives" timeout 30 nbdinfo --size "$(uri_of "$name")"
    ok "$name: it has said why" log_has "$name" "$operation: unexpected exception: pass-throw"
    stop_nbdkit "$name"
    is $? 0 "$name: and ends well"
}

for operation in 'read=read 0 4k' 'write=write 0 4k' 'zero=write -z 0 4k'; do
    throws filter "${operation%%=*}" "${operation#*=}" --filter="$pass_filter" memory 1M
    throws plugin "${operation%%=*}" "${operation#*=}" "$pass_plugin" "$tmpdir/disk"
done

done_testing
