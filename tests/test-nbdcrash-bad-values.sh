#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What is wrong on the command line is refused with status 2, the value, and what
# is allowed; and so is what is no log.
. "${0%/*}/nbdcrash-functions.sh"
use_log synthetic/syn1

refuses "no command" "subcommand" crash
refuses "an unknown command" "'explode' is no command; there are: info, list," crash explode "$log"
refuses "no log" "LOG is required" crash info
refuses "an unknown option" "bogus" crash info "$log" --bogus
refuses "one word too many" "more" crash info "$log" more
refuses "a size that is none" "--size=large" crash replay "$log" "$tmpdir/x" --size large
refuses "a size of 0" "larger than 0" crash replay "$log" "$tmpdir/x" --size 0
refuses "a size that is negative" "--size" crash replay "$log" "$tmpdir/x" --size=-1
refuses "a range without length" "OFFSET\+LENGTH" crash list "$log" --range 10
refuses "a range of nothing" "at least 1" crash list "$log" --range 10+0
refuses "an unknown kind" "frob not in" crash list "$log" --kind frob
refuses "a sector size that is no power of two" "must be a power of two from 512" \
    crash convert "$log" "$tmpdir/x" --sector-size 1000
refuses "a sector size that is too small to write" "from 512" \
    crash convert "$log" "$tmpdir/x" --sector-size 256
refuses "a limit that is not in whole sectors" "multiple of 8M" \
    crash convert "$log" "$tmpdir/x" --split-discards 1000
refuses "both --to and --state" "excludes" \
    crash replay "$log" "$tmpdir/x" --to 1 --state 2
ok "no file was made" test ! -e "$tmpdir/x"

refuses "a log that is not there" "cannot be opened: No such file" crash info "$tmpdir/none"
refuses "a folder" "is a directory" crash info "$tmpdir"
refuses "an empty file" "is empty" crash info "$samples/qemu/g04.log"
refuses "another file" "no dm-log-writes log" crash info "$samples/README.md"
refuses "a superblock of zeroes" "all zeroes" crash info "$samples/qemu/h01.log"
refuses "version 2" "version 2; only version 1" crash info "$samples/malformed/v2.log"
refuses "sectors of 0 bytes" "sector size 0 .*power of two" crash info "$samples/malformed/ss0.log"
mkfifo "$tmpdir/fifo"
refuses "a pipe that nobody writes to" "neither a regular file" crash info "$tmpdir/fifo"
refuses "output that cannot be written" "cannot write the output" \
    sh -c '"$0" list "$1" > /dev/full' "$nbdcrash" "$log"

exits 0 "--version" crash --version
exits 0 "--help" crash --help
like "$(crash replay --help)" "--from" "each command has its own help"

done_testing
