#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A member is restored from a copy of last week: however little was written since, its old
# data are not believed.  Two such members do not outvote the third; and if all of them are
# newer than the memory it is the memory that is old.
. "${0%/*}/quorum-foreign-functions.sh"

three_images 4M
children=(quorum-child.a="$tmpdir/1.raw" quorum-child.b="$tmpdir/2.raw"
    quorum-child.c="$tmpdir/3.raw" "$memory")
start_quorum q "${children[@]}"
watch_events q
fills "it is written" 7
stop_nbdkit q
cp "$tmpdir/3.raw" "$tmpdir/old"
cp "$tmpdir/q.memory" "$tmpdir/old-memory"
start_quorum q "${children[@]}"
watch_events q
fills "one sector is written" 8 1310720 512
fills "and another one, which the memory knew" 8 0 512
stop_nbdkit q

cat "$tmpdir/old" > "$tmpdir/3.raw"
start_quorum q "${children[@]}"
watch_events q
is_foreign "an old copy is foreign" c
ok "what is new is read" qemu_io q -c 'read -P 8 1310720 512'
stop_nbdkit q

cp "$tmpdir/2.raw" "$tmpdir/new"
cmp -s "$tmpdir/1.raw" "$tmpdir/new" || bail_out "the others differ"
cat "$tmpdir/old" > "$tmpdir/2.raw"
refuses_to_start "two old copies do not outvote the one that is left" \
    "1 of the members.*'a' is current; 'b' is foreign.*; 'c' is foreign.*quorum-force-start" \
    "${children[@]}"
cp "$tmpdir/old-memory" "$tmpdir/q.memory"
cat "$tmpdir/new" > "$tmpdir/2.raw"
cat "$tmpdir/new" > "$tmpdir/3.raw"
refuses_to_start "an old memory is not believed against members that agree" \
    "it is the memory that is old" "${children[@]}"
ok "nothing was touched" cmp "$tmpdir/new" "$tmpdir/1.raw"
start_quorum q "${children[@]}" quorum-force-start=a
watch_events q
recovers "somebody may say whose content is the truth"
ok "and that is read" qemu_io q -c 'read -P 8 1310720 512'
stop_nbdkit q
start_quorum q "${children[@]}"
watch_events q
recovers "from then on it is what was left"
stop_nbdkit q
done_testing
