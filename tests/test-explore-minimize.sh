#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A bad state of an ext4 without barriers, in which dozens of writes are missing,
# shrinks to a single one, which is shown, and can be served by the command that
# is printed.
. "${0%/*}/explore-functions.sh"
requires e2fsck nbdkit nbdcopy

use_log fs/ext4-8m-nobarrier
explore 1 "without barriers there are bad states" --mode subset --from flush:2 --check "$check_ext4"
most=$(perl -MJSON::PP -0777 -ne 'print ((sort { @{$b->{dropped}} <=> @{$a->{dropped}} }
    @{decode_json($_)->{failed}})[0]{state})' "$report")
minimize() { timeout 120 "$nbdcrash" minimize "$log" "$@"; }
exits 1 "the one with most missing is minimised" \
    minimize "$most" --check "$check_ext4" --json
cp "$tmpdir/.ok.log" "$report"
is "$(report missing)" 1 "to a single write"
like "$(report state)" '^e2:(drop=[0-9]+|torn=[0-9]+:[-+0-9]+)$' "which is named"
ok "in few checks" test "$(report checks)" -lt 30
like "$(report missing.0.hexdump.0)" '^[0-9a-f]{8}  ([0-9a-f]{2} ){16}' "there is a hexdump"
isnt "$(report missing.0.hexdump.0)" "$(report missing.0.instead.0)" "of what differs"
exits 1 "for people" minimize "$(report state)" --check "$check_ext4"
like "$(cat "$tmpdir/.ok.log")" "the only write that is missing" "it says so"
least=$(report state)

# The command, with our plugin and a client.
command=$(report command)
like "$command" "^nbdkit -U disk.sock logreplay " "the command serves it"
nbdkit -U - "$logreplay_plugin" "$log" "point=${command##*point=}" \
    --run "nbdcopy \"\$uri\" $tmpdir/state.img" || fail "it cannot be served"
fails "and that is bad, too" "$tmpdir/check-ext4" "$tmpdir/state.img"

exits 0 "what is not bad is not minimised" minimize e2 --check "$check_ext4"
refuses "a state with an entry that does not exist" "entry 5000 is not done" \
    minimize e2:drop=5000 --check true
refuses "and one with an entry that cannot be missing" "cannot be missing" \
    minimize e2:drop=3 --check true
refuses "no checker" "--check or --oracle is needed" minimize "$least"
refuses "a checker that does not exist" "cannot be run" minimize "$least" --check 'no-such-thing'

use_log fs/ext4-8m-barrier
exits 1 "a torn superblock stays torn" minimize e44:torn=144:0 --check "$check_ext4" --json
cp "$tmpdir/.ok.log" "$report"
is "$(report state) $(report missing.0.offset)" "e44:torn=144:0 1024" "and is found where it is"
nothing_left
done_testing
