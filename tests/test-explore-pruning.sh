#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Equal states are checked once, however they came about; states that differ only
# where the checker reads nothing too; and the report says how many that saved.
. "${0%/*}/explore-functions.sh"

make_log() { rm -f "$log" "$log.idx" && perl "$abs_top_srcdir/tests/make-log.pl" "$log" "$@"; }
# Three writes: eight subsets.
make_log write:0:1:65 write:8:1:66 write:16:1:67 flush
count='echo x >> "$TMPDIR/runs"; cat {dev} > /dev/null'
rm -f "$tmpdir/runs"
explore 0 "all subsets of three writes" --mode subset --check "$count"
is "$(report states) $(wc -l < "$tmpdir/runs")" "8 8" "are eight states"
# e0 with everything, and the state after the flush, are one.
is "$(report listed) $(report skipped.same-content)" "9 1" "and one that is equal"

make_log write:0:1:65 write:0:1:65 write:0:1:65 write:8:1:0 flush
explore 0 "writes of the same, and of zeroes where zeroes are" --mode subset --check "$count"
is "$(report states)" 2 "make no difference"

make_log write:0:1:65 write:8:1:66 write:16:1:67 write:24:1:68 flush
explore 1 "a checker that reads one sector" --mode subset \
    --check 'test "$(head -c 1 {dev})" = A'
is "$(report states) $(report skipped.same-reads)" "2 14" "has two states"
is "$(report failed) $(report bad)" "1 8" "one of them bad, which stands for eight"
explore 1 "the same without that rule" --mode subset --no-read-pruning \
    --check 'test "$(head -c 1 {dev})" = A'
is "$(report states) $(report skipped.same-reads) $(report bad)" "16 0 8" "says the same of all"
explore 1 "what the checker wrote before is not read from the state" --mode subset \
    --check 'test "$(dd if={dev} bs=512 skip=8 count=1 status=none | head -c 1)" = B && printf Z | dd of={dev} bs=1 seek=8192 conv=notrunc status=none && test "$(dd if={dev} bs=1 skip=8192 count=1 status=none)" = Z'
is "$(report states)" 2 "so two states again"

# The rule changes no verdict on a file system.
use_log fs/ext4-8m-nobarrier
if command -v e2fsck > /dev/null; then
    explore 1 "ext4, with the rule" --mode subset --from flush:2 --check "$check_ext4"
    with="$(report bad) of $(report listed)"
    ok "which saves something" test "$(report skipped.same-reads)" -gt 20
    explore 1 "and without" --mode subset --from flush:2 --check "$check_ext4" --no-read-pruning
    is "$with" "$(report bad) of $(report listed)" "as many states are bad"
fi
nothing_left
done_testing
