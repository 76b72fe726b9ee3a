#!/usr/bin/env bash
# A client is told the same of the filter as of the plugin alone.
. "${0%/*}/shim-functions.sh"

# same_info TEXT ARGUMENT...: with and without the filter.
same_info()
{
    local text=$1
    shift
    start_nbdkit plain "$@"
    start_nbdkit filtered --filter="$pass_filter" "$@"
    is "$(nbd_info filtered)" "$(nbd_info plain)" "$text"
    stop_nbdkit plain
    stop_nbdkit filtered
}

empty_image "$tmpdir/disk" 4M
same_info "file" file "$tmpdir/disk"
same_info "memory" memory 4M
same_info "memory, nbdkit -r" -r memory 4M
same_info "data" data '1 2 @0xfffff 3'
same_info "pattern, a plugin that cannot write" pattern 1M
same_info "block sizes" --filter=blocksize-policy memory 4M \
    blocksize-minimum=512 blocksize-preferred=64K blocksize-maximum=8M
same_info "no extents" --filter=noextents memory 4M
same_info "no FUA: still emulated" --filter=fua memory 4M fuamode=emulate
same_info "a serial plugin" --filter=noparallel memory 4M serialize=requests

done_testing
