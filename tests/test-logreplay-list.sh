#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The list of exports: the default, the end, marks and flushes, each under a name
# that can be asked for and that is the state it says.
. "${0%/*}/logreplay-functions.sh"


# listed NAME: the names, one per line.
listed() { timeout 60 nbdinfo --list --json "$(uri_of "$1")" | perl -MJSON::PP -0 -e '
    print $_->{"export-name"}, "\n" for @{decode_json(<STDIN>)->{exports}}'; }
# description NAME EXPORT
description() { timeout 60 nbdinfo --list --json "$(uri_of "$1")" | perl -MJSON::PP -0 -e '
    for (@{decode_json(<STDIN>)->{exports}}) {
        print $_->{description} if $_->{"export-name"} eq $ARGV[0];
    }' "$2"; }

make_log 'write:0:1:1' 'mark:a' 'write:0:1:2' 'mark:a' 'flush' 'write:0:1:3' 'mark:b#2' 'mark:b' \
    'write:0:1:4' 'mark:b' 'mark:odd\x0aname\xff' 'mark:x:drop=1' 'flush' 'fua:8:5'
start_logreplay r point=flush:1
is "$(listed r)" "
end
mark:a
mark:a#2
mark:b#2
mark:b
9
10
mark:x:drop=1
flush:1
flush:2" "what is listed"
is "$(description r '')" "the default: flush:1" "the default says what it is"
is "$(description r end)" "all 14 entries, 2 flushes, 7 marks" "so does the end"
is "$(description r flush:2)" "entry 12; ends e1 (2 changes)" "and a flush"
while read -r name byte; do
    ok "$name is what it says" state_io r "$name" "read -P $byte 0 512"
done << 'END'
mark:a 1
mark:a#2 2
mark:b#2 3
mark:b 3
9 4
10 4
mark:x:drop=1 4
flush:1 2
flush:2 4
END
ok "the default" state_io r "" 'read -P 2 0 512'
stop_nbdkit r

# With our own extension there is the time.
empty_image "$tmpdir/disk.img" 64k
start_logwrites l
ok "the recording" requests l 'write 0 4k' flush
ok "a mark" mark l here
stop_nbdkit l
start_logreplay r
like "$(description r mark:here)" "^entry [0-9]+, $(date -u +%Y)-..-.. ..:..:..\.[0-9]{6} UTC$" \
    "a mark has a time"
stop_nbdkit r

# The list ends somewhere, and says so.
make_log 'write:0:1:1' '9000*mark:m' '1500*flush'
start_logreplay r
listed r > "$tmpdir/names.txt"
is "$(grep -c . "$tmpdir/names.txt")" 9001 "8000 marks and 1000 flushes are listed"
like "$(timeout 60 nbdinfo --list --json "$(uri_of r)" | grep -o '[0-9]* more marks[a-z ]*')" \
    "^1000 more marks are not listed$" "the last mark says that there are more"
ok "one that is not listed" state_io r flush:1500 'read -P 1 0 512'
done_testing
