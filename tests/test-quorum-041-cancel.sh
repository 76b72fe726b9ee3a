#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 041, cancel: a resync that is cancelled leaves the quorum as it was.
. "${0%/*}/quorum-041.sh"

# progressed FROM: since then something has been copied.
progressed() { [ "$(resync_value repair0 done-bytes)" != "$1" ]; }

# In pieces of a tenth of a second: 4 MiB each second.
start_041 16M quorum-resync-rate=4M
add_repair0
is "$(resync_value repair0 state)" running "the resync runs"
does "it is cancelled" resync-cancel child=repair0
is "$(resync_value repair0 state)" cancelled "it is"
# A piece that was on its way holds its range until it is there.
ok "clients can read all" qemu_io q -c 'read 0 16M'
at=$(resync_value repair0 done-bytes)
ok "it was not through ($at bytes)" test "$at" -lt $((16 << 20))
fails "nothing more is copied in a second" wait_for 1 progressed "$at"
remove_child 3
is "$(children)" "$before" "the children are as before"
cp "$tmpdir/img0" "$tmpdir/expected"
ok "clients can write" qemu_io q -c 'write -P 0x55 1M 64k'
overwrite "$tmpdir/expected" 0x55 1M 64K
stop_nbdkit q
for i in 0 1 2; do same_content "$tmpdir/expected" "$tmpdir/img$i" "img$i has the right content"; done

done_testing
