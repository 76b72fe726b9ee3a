#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A child that holds what others still miss can neither be removed nor be taken for
# stale: with it, the last copies would go.
. "${0%/*}/quorum-functions.sh"

three_images 4M 0x31
start_quorum q "$tmpdir/1.raw" "$tmpdir/2.raw" "$tmpdir/3.raw" quorum-resync-rate=64K
watch_events q
does "all of the third child is taken for stale, and copied slowly" \
    resync-start child=children.2 full=true
last_copy="holds data that others still miss, and without it fewer than 2 copies are left:\
 wait for the resync, or write that again"
refuses "the first cannot be removed" "Child 'children.0' $last_copy" \
    child-remove child=children.0
refuses "nor be taken for stale" "Child 'children.1' $last_copy" \
    resync-start child=children.1 full=true
refuses "nor can the third, while it is copied to" "Child 'children.2' cannot be removed while its resync\
 runs: wait for the end of the resync, or cancel it with resync-cancel" \
    child-remove child=children.2
ok "all can be read" qemu_io q -c 'read -P 0x31 0 4M'
does "the resync is ended" resync-cancel child=children.2
does "and then the third may go" child-remove child=children.2
ok "all can be read" qemu_io q -c 'read -P 0x31 0 4M'
done_testing
