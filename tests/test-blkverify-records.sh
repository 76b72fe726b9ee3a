#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Every mismatch is kept with a hexdump of both sides and the changes that
# touched the place; nbdctl shows them.
. "${0%/*}/blkverify-functions.sh"

two_images 1M 0x2e
start_blkverify v blkverify-on-mismatch=report
watch_events v
ok "changes of the place, and of others" qemu_io v -c 'write -P 0x41 8k 4k' -c 'write -z 64k 4k' \
    -c 'discard 8k 1k' -c 'write -P 0x41 8k 512' -c 'write -P 0x43 9k 512'
printf 'bad' | dd of="$tmpdir/test.raw" bs=1 seek=8219 conv=notrunc status=none
printf 'x' | dd of="$tmpdir/test.raw" bs=1 seek=12000 conv=notrunc status=none
ok "a read" qemu_io v -c 'read 4k 16k'
is "$(mismatches)" 1 "differs"
control query-mismatches
is "$(value return/0/number)" 1 "its number"
is "$(value return/0/message)" \
    "blkverify: read offset=4096 bytes=16384 contents mismatch at offset 8219" "QEMU's message"
is "$(value return/0/position)" 8219 "the position"
is "$(value return/0/differing-bytes)+$(value return/0/differing-sectors)" 4+2 "how much"
is "$(value return/0/kind) $(value return/0/operation)" "contents read" "what"
like "$(value return/0/time)" '^20[0-9][0-9]-.*T.*Z$' "when"
is "$(value return/0/dump/0/offset) $(value return/0/dump/0/differs)" "0x2008 " "the dump begins before"
is "$(value return/0/dump/2/offset) $(value return/0/dump/2/differs)" "0x2018 *" "the line that differs"
is "$(value return/0/dump/2/test)" "41 41 41 62 61 64 41 41" "the device under test"
is "$(value return/0/dump/2/reference)" "41 41 41 41 41 41 41 41" "the reference"
is "$(value return/0/dump/2/test-text)" "AAAbadAA" "as text"

history=$(perl -MJSON::PP -e 'print join " ", map { "$_->{operation}:$_->{offset}+$_->{length}" }
    @{decode_json($ARGV[0])->{return}[0]{history}}' "$answer")
is "$history" "write:8192+512 trim:8192+1024 write:8192+4096" \
    "the changes that touched the sector, newest first, and no others"
is "$(value return/0/history/0/test) $(value return/0/history/0/reference)" "success success" \
    "with their results"
like "$(value return/0/history/0/connection)" '^[1-9]' "and their connection"

run_nbdctl() { timeout 30 "$nbdctl" "$(control_of v)" "$@" > "$tmpdir/out" 2>&1; }
ok "nbdctl" run_nbdctl query-mismatches
like "$(cat "$tmpdir/out")" \
    '0x2018 +41 41 41 62 61 64 41 41 +41 41 41 41 41 41 41 41 +\* +AAAbadAA +AAAAAAAA' \
    "shows both sides beside each other"
like "$(cat "$tmpdir/out")" 'trim +8192 +1024 +[0-9]+ +success +success' "and the history"
ok "nbdctl" run_nbdctl query-status
like "$(cat "$tmpdir/out")" 'read +1 +1 +0 +1 ' "shows the operations as a table"

does "one of them" query-mismatches number=7
is "$(value return)" "[]" "that is not there"
does "they can be cleared" clear-mismatches
does "and then" query-mismatches
is "$(value return)" "[]" "there are none"
is "$(mismatches)" 1 "but they stay counted"
done_testing
