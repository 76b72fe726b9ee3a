#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Why a range cannot be copied to a child is in the status.
. "${0%/*}/quorum-fault-functions.sh"

three_images 1M 0x11
serve_image two "$tmpdir/2.raw"
start_quorum q "$tmpdir/1.raw" "$(uri_of two)" "$tmpdir/3.raw" quorum-resync-rate=64K
watch_events q
# 3.raw is wrong there, and 2.raw will be missing: one child is left to copy from.
printf 'wrong' | dd of="$tmpdir/3.raw" bs=1 seek=131072 conv=notrunc status=none
does "a child is to be copied to" resync-start child=children.2 full=true
kill_nbdkit two
becomes failed "another one is lost"
_blocked() { child_value_is children.2 resync blocked; }
ok "what one child holds and another confirms is copied; the rest is blocked" wait_for 20 _blocked
like "$(status_value details)" \
    "degraded: 'children.2' misses [0-9]+ bytes, and cannot be copied to at byte 131072: 1 members are current there, and 2 are needed" \
    "the status says where and why"
fails_like "wait-resync says the same when its time is over" \
    "the resync of children.2 is blocked: .* at byte 131072|is waiting: 'children.1' is missing" \
    timeout 20 "$nbdctl" "$(control_of q)" wait-resync --timeout 2
restart_image two "$tmpdir/2.raw"
ok "it comes back, and so the rest is copied" timeout 60 "$nbdctl" "$(control_of q)" wait-resync
ok "all is well" status_is healthy
done_testing
