# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# For the tests of the shims between nbdkit and modules (test-shim-*.sh): the
# module `pass`, which hands every request on, as a filter and as a plugin.

. "${BASH_SOURCE[0]%/*}/functions.sh"

# shellcheck disable=SC2034
{
    pass_filter=$abs_top_builddir/tests/modules/.libs/nbdkit-pass-filter.so
    pass_plugin=$abs_top_builddir/tests/modules/.libs/nbdkit-pass-plugin.so
}

requires nbdkit nbdinfo qemu-io perl

# nbd_info NAME: what a client is told of the server NAME, without its address.
nbd_info() { timeout 30 nbdinfo "$(uri_of "$1")" | grep -v -e '^export=' -e 'uri:'; }

# nbd_request NAME zero|status OFFSET LENGTH: one request, sent as it is.
nbd_request()
{
    local name=$1
    shift
    timeout 60 perl "$abs_top_srcdir/tests/nbd-request.pl" "$tmpdir/$name.sock" "$@"
}

# log_has NAME REGEX: the server's messages hold a match.
log_has() { grep -q -E "$2" "$tmpdir/$1.log"; }

