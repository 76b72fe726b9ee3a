#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The order in which clusters are first used is recorded, and is the order in which
# they are fetched ahead the next time: what took a round trip each takes few.
. "${0%/*}/cor-functions.sh"

random_image "$tmpdir/source.raw" 64M 1
slow_source far "$tmpdir/source.raw" 50ms
trace=$tmpdir/trace
# What a machine reads when it boots, one after the other.
boot=()
for i in $(seq 40); do boot+=(-c "read $((i * 37 % 61))M 4k"); done

# boot NAME: how long that takes, in ms, in $took.
boot()
{
    local begin
    begin=$(date +%s%N)
    timeout 60 qemu-io -f raw -r "${boot[@]}" "$(uri_of "$1")" > "$tmpdir/boot.out" 2>&1
    is $? 0 "$1: it boots"
    took=$((($(date +%s%N) - begin) / 1000000))
    diag "$1: $took ms"
}
start_cor first "$(uri_of far)" cor-trace="$trace"
boot first
cold=$took
stop_nbdkit first
is "$(head -1 "$trace")" "nbdkit-resilience trace 1 67108864 65536" "the trace says what it is for"
expected=$(for i in $(seq 40); do echo "$((i * 37 % 61 * 16)) 1"; done)
is "$(grep -c ' 1$' "$trace")" 40 "it has what was used"
is "$(grep ' 1$' "$trace" | xargs)" "$(xargs <<< "$expected")" "in order"

start_cor second "$(uri_of far)" cor-trace="$trace"
boot second
warm=$took
diag "ratio: $((cold * 10 / (warm + 1))) / 10"
[ $((warm * 3)) -lt "$cold" ]
is $? 0 "the second time takes less than a third"
is "$(counter_of second fetches)" 40 "and nothing was fetched twice"
stop_nbdkit second

for damage in 's/^592 1$/593 1/' '$d' '2i 4000000 1'; do
    cp "$trace" "$tmpdir/bad"
    sed -i "$damage" "$tmpdir/bad"
    start_cor third "$(uri_of far)" cor-trace="$tmpdir/bad"
    like "$(cat "$tmpdir/third.log")" "cor-trace='.*' is ignored" "damaged ($damage): ignored"
    is "$(counter_of third fetches)" 0 "and nothing is fetched ahead"
    stop_nbdkit third
    rm -f "$(copy_of third)"* "$tmpdir/third.log"
done
pattern_image "$tmpdir/small.raw" 1M 1
start_cor fourth "$tmpdir/small.raw" cor-trace="$trace"
like "$(cat "$tmpdir/fourth.log")" 'it is for another image' "one for another image is ignored"
done_testing
