#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What a client writes, it sees, and nobody else: not another client of the same
# state, not the next one, and not the log.
. "${0%/*}/logreplay-functions.sh"
. "${0%/*}/fuse-functions.sh"
requires_fuse

make_log 'write:0:128:1' 'flush' 'write:0:64:2'
before=$(sha256sum < "$log")
start_logreplay r
for id in a b; do
    ok "client $id connects" as_file $id "$(state_uri r flush:1)"
done
# fill ID BYTE: the first 16 KiB.  byte_of ID: what stands there.
fill()
{
    head -c 16384 /dev/zero | tr '\0' "\\$2" |
        dd of="$(file_of "$1")" bs=16k conv=notrunc,fsync status=none iflag=fullblock
}
byte_of() { head -c 16384 "$(file_of "$1")" | od -A n -v -t u1 | tr -s ' ' '\n' | sort -u | tr -d '\n'; }
ok "the first one writes" fill a 007
is "$(byte_of b)" 1 "the second one does not see it"
ok "the second one writes" fill b 010
is "$(byte_of a)" 7 "the first one sees its own"
is "$(byte_of b)" 8 "and so does the second one"
ok "a third one sees neither" state_io r flush:1 'read -P 1 0 64k'
ok "the first one goes" no_file a
ok "and finds the state as it was when it comes back" state_io r flush:1 'read -P 1 0 64k'
ok "zeroes and trims are its own too" state_io r end 'write -z 0 4k' 'discard 4k 4k' \
    'read -P 0 0 8k' 'read -P 2 8k 24k' 'read -P 1 32k 32k'
ok "they are gone" state_io r end 'read -P 2 0 32k'
is "$(sha256sum < "$log")" "$before" "the log is as it was"
done_testing
