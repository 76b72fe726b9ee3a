#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What a recorded ext4 shows: with barriers no prefix and no subset is bad; without
# them no prefix is bad either, but many subsets are.
. "${0%/*}/explore-functions.sh"
requires e2fsck

use_log fs/ext4-8m-barrier
explore 0 "barriers: no prefix is bad" --mode prefix --from flush:3 --check "$check_ext4"
explore 0 "and no subset" --mode subset --from flush:3 --check "$check_ext4"
ok "many were looked at" test "$(report listed)" -gt 300
is "$(report failed)" 0 "and the report says so"
use_log fs/ext4-8m-nobarrier
explore 0 "no barriers: no prefix is bad" --mode prefix --from flush:2 --check "$check_ext4"
ok "each was looked at" test "$(report listed)" -gt 90
explore 1 "but subsets are" --mode subset --from flush:2 --check "$check_ext4"
ok "many of them" test "$(report failed)" -ge 10
nothing_left
done_testing
