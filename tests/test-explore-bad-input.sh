#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Logs that are damaged or empty, ranges and options that make no sense, and disks
# that are full: status 2, and a message that says what.
. "${0%/*}/explore-functions.sh"

run() { timeout 60 "$nbdcrash" explore "$@"; }
use_log synthetic/syn1
refuses "no checker" "--check or --oracle is needed" run "$log"
refuses "an unknown mode" "mode" run "$log" --mode some --check true
refuses "too many to be exhaustive" "exhaustive" run "$log" --exhaustive 40 --check true
refuses "no jobs" "jobs" run "$log" --jobs 0 --check true
refuses "a tear that is no multiple of a sector" "must be a multiple of 512" \
    run "$log" --tear 100 --check true
refuses "a time that is none" "--time" run "$log" --time soon --check true
refuses "a timeout that is none" "--timeout" run "$log" --timeout=-1 --check true
refuses "an unknown promise" "promise" run "$log" --promise never --check true
refuses "a mark that does not exist" "there is no mark 'nowhere'" \
    run "$log" --from mark:nowhere --check true
refuses "an entry that does not exist" "this log has 11 entries" run "$log" --to 5000 --check true
refuses "--to before --from" "behind --to" run "$log" --from 5 --to 2 --check true
refuses "a size that is too small" "goes up to byte" run "$log" --size 512 --check true
refuses "a base that does not exist" "does not exist" run "$log" --base "$tmpdir/none" --check true
refuses "a log that does not exist" "cannot be opened" run "$tmpdir/none" --check true
refuses "an empty file" "is empty" run "$samples/qemu/g04.log" --check true
refuses "a log without entries" "has no entries" run "$samples/synthetic/empty.log" --check true
refuses "a log that is cut short" "entry 1 at byte" run "$samples/malformed/bad_trunc.log" --check true
refuses "a count that is too high" "entry 1 at byte" run "$samples/malformed/bad_nr.log" --check true
refuses "a report where nothing can be written" "cannot be written" \
    run "$log" --check true --json /no/such/folder/report.json
refuses "a resume file where nothing can be written" "cannot be opened" \
    run "$log" --check true --resume /no/such/folder/resume
TMPDIR=/no/such/folder refuses "no place for a mount" "TMPDIR" run "$log" --check true

# A disk of 16 KiB.
mkdir "$tmpdir/full"
mount -t tmpfs -o size=16k none "$tmpdir/full" || skip_all "no tmpfs here"
cleanup_fn umount -l "$tmpdir/full"
head -c 16k /dev/zero > "$tmpdir/full/filler"
use_log fs/ext4-8m-nobarrier
refuses "a full disk, for the report" "No space left" run "$log" --check true --mode flush \
    --json "$tmpdir/full/report.json"
refuses "and for what was done" "No space left" run "$log" --check true --mode prefix \
    --resume "$tmpdir/full/resume"
ok "no half of a report is left" test ! -e "$tmpdir/full/report.json" -a ! -e "$tmpdir/full/report.json.new"
nothing_left
done_testing
