#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 041, pause: a paused resync makes no progress, and goes on when it is told.
. "${0%/*}/quorum-041.sh"

# progressed FROM: since then something has been copied.
progressed() { [ "$(resync_value repair0 done-bytes)" != "$1" ]; }

# In pieces of a tenth of a second: 8 MiB each second.
start_041 16M quorum-resync-rate=8M
add_repair0
does "it is paused" resync-pause child=repair0
is "$(resync_value repair0 state)" paused "it is"
# A piece that was on its way holds its range until it is there.
ok "clients can read all" qemu_io q -c 'read 0 16M'
at=$(resync_value repair0 done-bytes)
ok "it was not through ($at bytes)" test "$at" -lt $((16 << 20))
fails "there is no progress in a second" wait_for 1 progressed "$at"
does "it is resumed" resync-resume child=repair0
ok "there is progress" wait_for 5 progressed "$at"
event_comes "the resync is completed" 20 'QUORUM_RESYNC_COMPLETED.*"repair0"'
remove_child 1
is "$(children)" "children.0=img0 children.2=img2 children.3=repair0" "repair0 is in"
stop_nbdkit q
same_content "$tmpdir/img1" "$tmpdir/repair0" "and has the content of img1"

done_testing
