#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU's case 041, TestReplaces.test_replace_filter: a copy over a copy over
# nothing, and its source is replaced by a mirror of it.  Here: the lower copy is
# replaced by what was copied out of it, at the same address.
. "${0%/*}/cor-functions.sh"

start_nbdkit null null 1M
start_cor lower "$(uri_of null)"
start_cor upper "$(uri_of lower)"
ok "a write goes to the upper copy" qemu_io upper -c 'write -P 5 0 64k' -c flush
ok "the lower one is mirrored" timeout 60 nbdcopy "$(uri_of lower)" "$tmpdir/mirror.raw"
kill_nbdkit lower
start_nbdkit lower file "$tmpdir/mirror.raw"
ok "and replaced by its mirror" qemu_io upper -c 'read -P 5 0 64k' -c 'read -P 0 64k 960k'
is "$(status_of upper complete)" true "the upper copy is complete"
done_testing
