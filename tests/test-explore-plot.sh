#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A log as a picture: SVG that is well-formed and needs nothing else, and a form for
# terminals; names of marks can do no harm.
. "${0%/*}/explore-functions.sh"

use_log fs/ext4-8m-barrier
explore 1 "a report" --mode torn --from flush:44 --no-read-pruning --check 'cmp -s -n 1 {dev} /dev/null; case {state} in *torn*) exit 1 ;; esac'
crash plot "$log" --report "$report" --svg "$tmpdir/a.svg"
picture=$(cat "$tmpdir/a.svg")
like "$picture" '^<svg xmlns=' "it is SVG"
unlike "$picture" '(<script|href|url\(|<image|@import)' "that needs no other file"
is "$(grep -c '<title>entry ' "$tmpdir/a.svg")" 101 "with every change"
like "$picture" '<title>bad: e44:torn=144:0</title>' "and the bad states"
like "$(crash plot "$log" --columns 80 --rows 10)" 'w write.*\| flush' "for a terminal"
is "$(crash plot "$log" --columns 80 --rows 10 | awk 'length > 90' | wc -l)" 1 \
    "in its columns, but for the legend"
rm -f "$log" "$log.idx"
perl "$abs_top_srcdir/tests/make-log.pl" "$log" write:0:8:65 'mark:<script>&"\x1b[31m\xff' flush \
    fua:8:66 discard:16:8
crash plot "$log" --svg "$tmpdir/b.svg"
unlike "$(cat "$tmpdir/b.svg")" '<script|\[31m.*\[31m.*\[31m.*\[31m' "a mark's name is text"
like "$(cat "$tmpdir/b.svg")" '&lt;script&gt;' "in full"
ok "valid UTF-8" perl -MEncode -0777 -ne 'decode("UTF-8", $_, Encode::FB_CROAK)' "$tmpdir/b.svg"
if command -v xmllint > /dev/null; then
    ok "well-formed" xmllint --noout "$tmpdir/a.svg" "$tmpdir/b.svg"
else
    skip "well-formed" "no xmllint here"
fi
refuses "nothing to show" "nothing between" crash plot "$log" --from 3 --to 3
refuses "a report that is none" "is no report" crash plot "$log" --report "$log"
refuses "a place that cannot be written" "cannot be written" \
    crash plot "$log" --svg /no/such/folder/a.svg
done_testing
