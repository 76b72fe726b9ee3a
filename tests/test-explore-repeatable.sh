#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The same seed gives the same states, and one worker finds what two find.
. "${0%/*}/explore-functions.sh"
requires e2fsck

use_log fs/ext4-8m-nobarrier
list() { crash explore "$log" --list --from flush:2 "$@" | sha256sum; }
is "$(list --seed 5)" "$(list --seed 5)" "the same seed, the same states"
isnt "$(list --seed 5)" "$(list --seed 6)" "another seed, other states"
explore 1 "one worker" --from flush:2 --seed 5 --jobs 1 --check "$check_ext4"
verdicts > "$tmpdir/one"
explore 1 "two workers" --from flush:2 --seed 5 --jobs 2 --check "$check_ext4"
verdicts > "$tmpdir/two"
same_content "$tmpdir/one" "$tmpdir/two" "the same verdicts, and the same states saved"
is "$(report seed)" 5 "the seed is in the report"
explore 1 "three workers, more than there are cores" --from flush:2 --seed 5 --jobs 3 \
    --check "$check_ext4"
verdicts > "$tmpdir/three"
same_content "$tmpdir/one" "$tmpdir/three" "the same again"
nothing_left
done_testing
