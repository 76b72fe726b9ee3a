#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The server is killed, again and again, while a guest writes and flushes, others
# read, and the stream runs: what was flushed is there, and nothing that was lost
# comes back.
. "${0%/*}/cor-functions.sh"

SEED=${SEED:-$RANDOM}
RANDOM=$SEED
diag "SEED=$SEED"
"$clients/flushed" make "$tmpdir/source.raw" 16M || bail_out "no image"
cp "$tmpdir/source.raw" "$tmpdir/before.raw"
flushes=0
for round in $(seq "$(rounds 5)"); do
    cor_form=$([ $((round % 2)) -eq 0 ] && echo filter || echo plugin)
    # The two forms name the source alike.
    start_cor c "$tmpdir/source.raw" cor-stream=true cor-stream-rate=8M cor-cluster-size=64K
    rm -f "$tmpdir/client.log"  # of the last round
    timeout 60 "$clients/flushed" run "$(uri_of c)" "$tmpdir/ledger" --seconds=20 \
        --seed=$((SEED + round)) > "$tmpdir/client.log" 2>&1 &
    client=$!
    at_exit_kill $client
    timeout 60 nbdcopy --no-extents "$(uri_of c)" null: > /dev/null 2>&1 &
    reader=$!
    at_exit_kill $reader
    wait_for 60 grep -q 'judged\|sector' "$tmpdir/client.log"
    sleep "0.$((RANDOM % 90 + 10))"
    kill_nbdkit c
    wait $client
    is "$?" 0 "round $round: what was flushed is there"
    diag "$(cat "$tmpdir/client.log")"
    flushes=$((flushes + $(sed -n 's/.*requests, \([0-9]*\) flushes/\1/p' "$tmpdir/client.log")))
    wait $reader 2> /dev/null
done
[ "$flushes" -gt 0 ] || fail "there was not a single flush"
start_cor c "$tmpdir/source.raw"
ok "at the end" timeout 60 "$clients/flushed" run "$(uri_of c)" "$tmpdir/ledger" --seconds=0
# What block status calls zeroes is zeroes, also after all those crashes.
ok "by block status" timeout 60 nbdcopy "$(uri_of c)" "$tmpdir/sparse.raw"
ok "and without" timeout 60 nbdcopy --no-extents "$(uri_of c)" "$tmpdir/full.raw"
same_content "$tmpdir/sparse.raw" "$tmpdir/full.raw" "the content is the same"
same_content "$tmpdir/source.raw" "$tmpdir/before.raw" "the source was never written"
done_testing
