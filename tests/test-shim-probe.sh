#!/usr/bin/env bash
# What cannot be below the filter is refused at start, with a reason: nbdkit ends
# before it serves.
. "${0%/*}/shim-functions.sh"

refused() # TEXT REGEX ARGUMENT...
{
    local text=$1 regex=$2
    shift 2
    fails_like "$text" "$regex" timeout 30 nbdkit -f -U "$tmpdir/never.sock" \
        --filter="$pass_filter" "$@"
}

mkdir "$tmpdir/dir"
empty_image "$tmpdir/dir/disk" 1M
if [ "$sanitizers" = no ]; then
    refused "file dir= crashes" "child 0.*crashed.*export name.*nbdkit pass SPEC" \
        file dir="$tmpdir/dir"
else
    refused "file dir= crashes" "child 0.*could not be opened" file dir="$tmpdir/dir"
fi
refused "ondemand fails" "child 0.*could not be opened" ondemand dir="$tmpdir/dir" size=1M
if scripts_work; then
    refused "a plugin that fails" "child 0.*could not be opened" \
        eval get_size='echo broken >&2; exit 1'
fi
refused "two of the same filter" "loaded 2 times" --filter="$pass_filter" memory 1M
refused "a module that throws at config_complete" "told to fail at config_complete" \
    memory 1M pass-fail=config_complete
refused "a module that throws at get_ready" "told to fail at get_ready" \
    memory 1M pass-fail=get_ready

start_nbdkit remote memory 1M
freeze "$(pid_of remote)"
refused "a plugin that hangs" "child 0.*has not answered within" \
    nbd socket="$tmpdir/remote.sock" pass-timeout=1s
thaw "$(pid_of remote)"

start_nbdkit shared --filter="$pass_filter" nbd socket="$tmpdir/remote.sock" shared=true
is "$(timeout 30 nbdinfo --size "$(uri_of shared)")" 1048576 \
    "a plugin that opens in its after_fork is welcome"

done_testing
