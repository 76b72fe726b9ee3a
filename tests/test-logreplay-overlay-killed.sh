#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A named overlay holds what was flushed, even if the server is killed; SIGTERM
# keeps what was not flushed too.
. "${0%/*}/logreplay-functions.sh"
. "${0%/*}/fuse-functions.sh"
requires_fuse

make_log 'write:0:128:1' 'flush'
mkdir "$tmpdir/overlays"
put() { printf '%s' "$2" | dd of="$(file_of "$1")" bs=4k seek="$3" conv=notrunc,"$4" status=none; }
start_logreplay r overlay="$tmpdir/overlays"
ok "a client connects" as_file a "$(state_uri r flush:1)"
ok "it writes and flushes" put a flushed 1 fsync
ok "it writes once more" put a perhaps 2 nocreat
kill_nbdkit r
start_logreplay r overlay="$tmpdir/overlays"
fetch r flush:1 "$tmpdir/now.img"
is "$(dd if="$tmpdir/now.img" bs=4k skip=1 count=1 status=none | head -c 7)" flushed \
    "what was flushed is there"
like "$(dd if="$tmpdir/now.img" bs=4k skip=2 count=1 status=none | head -c 7 | tr '\001' 1)" \
    '^(perhaps|1111111)$' "what was not is there, or as it was"

ok "another client" as_file b "$(state_uri r flush:1)"
ok "writes without a flush" put b written 3 nocreat
kill -TERM "$(pid_of r)"
no_file b
stop_nbdkit r
start_logreplay r overlay="$tmpdir/overlays"
fetch r flush:1 "$tmpdir/now.img"
is "$(dd if="$tmpdir/now.img" bs=4k skip=3 count=1 status=none | head -c 7)" written \
    "a server that ends in order keeps all"
done_testing
