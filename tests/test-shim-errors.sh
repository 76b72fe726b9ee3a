#!/usr/bin/env bash
# An error below reaches the client as an errno that NBD can carry, and means
# what it meant.
. "${0%/*}/shim-functions.sh"

# error_of TEXT EXPECTED ERRNO: a device that fails all writes with ERRNO.
error_of()
{
    start_nbdkit "error$3" --filter="$pass_filter" memory 1M pass-errno="write:$3"
    fails_like "$1" "$2" qemu_io "error$3" -c 'write 0 64k'
    stop_nbdkit "error$3"
}
error_of "EPERM" 'Operation not permitted' 1
error_of "EIO" 'Input/output error' 5
error_of "ENOMEM" 'Cannot allocate memory' 12
error_of "EINVAL" 'Invalid argument' 22
error_of "ENOSPC" 'No space left on device' 28
error_of "EROFS is EPERM" 'Operation not permitted' 30
error_of "EDQUOT is ENOSPC" 'No space left on device' 122
error_of "EFBIG is ENOSPC" 'No space left on device' 27
error_of "ENOTSUP is EIO" 'Input/output error' 95
error_of "ENOTCONN is EIO" 'Input/output error' 107
error_of "ETIMEDOUT is EIO" 'Input/output error' 110
error_of "no errno at all is EIO" 'Input/output error' 4711

start_nbdkit filter --filter="$pass_filter" --filter=error memory 1M error=ENOSPC \
    error-pwrite-rate=100%
fails_like "a filter below says ENOSPC" 'No space left' qemu_io filter -c 'write 0 64k'

if scripts_work; then
    start_nbdkit script --filter="$pass_filter" eval get_size='echo 1M' thread_model='echo parallel' \
        pread='exit 1' pwrite='cat >/dev/null; echo ENOSPC full >&2; exit 1' can_write='exit 0'
    fails_like "a plugin below says ENOSPC" 'No space left' qemu_io script -c 'write 0 64k'
    fails_like "one that says nothing" 'Input/output error' qemu_io script -c 'read 0 64k'
else
    skip "a plugin below says ENOSPC" "scripts do not run under the thread sanitizer"
fi

done_testing
