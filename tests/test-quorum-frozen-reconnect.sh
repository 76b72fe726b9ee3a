#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A child server is killed, comes back and freezes at once: as it connects, and
# just after it has become a member again.
. "${0%/*}/quorum-fault-functions.sh"

three_images 2M
serve_image two "$tmpdir/2.raw"
start_quorum q "$tmpdir/1.raw" "$(uri_of two)" "$tmpdir/3.raw" quorum-timeout=1500ms
watch_events q
ok "a write" qemu_io q -c 'write -P 0x61 0 64k'

kill_nbdkit two
becomes degraded "the loss of the server is noticed"
ok "a write without it" qemu_io q -c 'write -P 0x62 64k 64k'
restart_image two "$tmpdir/2.raw"
freeze "$(pid_of two)"
within 4500 "frozen as it connects: a write" qemu_io q -c 'write -P 0x63 128k 64k'
within 4500 "frozen as it connects: a read" qemu_io q -c 'read -P 0x63 128k 64k'
within 1200 "frozen as it connects: nobody waits any more" qemu_io q -c 'read -P 0x62 64k 64k'
thaw "$(pid_of two)"
recovers "it comes back"

kill_nbdkit two
becomes degraded "the loss is noticed again"
ok "another write without it" qemu_io q -c 'write -P 0x64 192k 64k'
restart_image two "$tmpdir/2.raw"
wait_for 20 child_value_is children.1 state online
freeze "$(pid_of two)"
within 4500 "frozen just after: a write" qemu_io q -c 'write -P 0x65 256k 64k'
within 1200 "frozen just after: nobody waits any more" qemu_io q -c 'read -P 0x65 256k 64k'
thaw "$(pid_of two)"
recovers "it comes back again"
ok "all is there" qemu_io q -c 'read -P 0x61 0 64k' -c 'read -P 0x62 64k 64k' \
    -c 'read -P 0x63 128k 64k' -c 'read -P 0x64 192k 64k' -c 'read -P 0x65 256k 64k'
identical "the children are equal"
never_differed "nobody was called a liar"
done_testing
