#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# nbdctl wait-resync: when it returns, the resync is over and durable, so the
# next command is not refused for it; and it does not wait for one that was
# cancelled.
. "${0%/*}/quorum-functions.sh"
requires nbdkit qemu-io

three_images 4M 0x32
pattern_image "$tmpdir/new.raw" 4M 0x00
pattern_image "$tmpdir/newer.raw" 4M 0x00
start_quorum q "$tmpdir/1.raw" "$tmpdir/2.raw" "$tmpdir/3.raw" quorum-resync-rate=4M
socket=$(control_of q)

ok "a child is added" "$nbdctl" "$socket" child-add spec="$tmpdir/new.raw" name=new
ok "wait-resync succeeds" timeout 60 "$nbdctl" "$socket" wait-resync
same_content "$tmpdir/1.raw" "$tmpdir/new.raw" "then the child is equal"
ok "and nothing stands in the way of its removal" "$nbdctl" "$socket" child-remove new

ok "another child is added" "$nbdctl" "$socket" child-add spec="$tmpdir/newer.raw" name=newer
ok "its resync is cancelled" "$nbdctl" "$socket" resync-cancel newer
fails_like "wait-resync says so at once" "the resync of newer was cancelled" \
    timeout 20 "$nbdctl" "$socket" wait-resync

done_testing
