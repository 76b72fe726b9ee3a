#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# --report: a folder with the report for programs, for continuous integration, and
# for people, in which what a checker prints is text and nothing else.
. "${0%/*}/explore-functions.sh"

use_log fs/ext4-8m-barrier
explore 1 "with a folder" --mode torn --from flush:44 --no-read-pruning --report "$tmpdir/bugs" \
    --check 'echo "<script>alert(1)</script>"; case {state} in e44:torn=144:0) exit 7 ;; esac'
same_content "$report" "$tmpdir/bugs/report.json" "report.json is the same as with --json"
is "$(cat "$tmpdir/bugs/states.txt")" "e44:torn=144:0" "states.txt has the bad state"
page=$(cat "$tmpdir/bugs/index.html")
like "$page" "e44:torn=144:0" "the page has it"
like "$page" "nbdkit -U disk.sock logreplay" "and how to serve it"
like "$page" "000007f0  [0-9a-f]" "and the bytes that are missing"
like "$page" "Entry 144: write of 1024 bytes at byte 1024" "and which write it was"
like "$page" "&lt;script&gt;alert" "what the checker said is text"
unlike "$page" "<script" "and nothing else"
junit=$(cat "$tmpdir/bugs/junit.xml")
like "$junit" 'failures="1" errors="0"' "junit.xml counts one failure"
like "$junit" 'name="e44:torn=144:0"' "which is named"
explore 0 "nothing bad" --mode flush --report "$tmpdir/none" --check true
like "$(cat "$tmpdir/none/index.html")" "No bad state among" "the page says so"
like "$(cat "$tmpdir/none/junit.xml")" 'failures="0"' "and junit.xml"
is "$(wc -c < "$tmpdir/none/states.txt")" 0 "and states.txt is empty"
is "$(report states) $(report seed) $(report failed)" \
    "$(report states "$tmpdir/none/report.json") 1 0" "report.json has states, seed, failed"
nothing_left
done_testing
