#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# NBD_CMD_CACHE makes a range local and sends no data.
. "${0%/*}/cor-functions.sh"

random_image "$tmpdir/source.raw" 8M 1
start_cor c "$tmpdir/source.raw"
ok "the server offers it" timeout 20 nbdinfo --can cache "$(uri_of c)"
ok "a cache request" perl "$abs_top_srcdir/tests/nbd-request.pl" "$tmpdir/c.sock" cache 100000 5000000
is "$(status_of c local-clusters)" 77 "makes the clusters local"
before=$(counter_of c fetched-bytes)
ok "what is local is not asked for again" perl "$abs_top_srcdir/tests/nbd-request.pl" \
    "$tmpdir/c.sock" cache 100000 5000000
is "$(counter_of c fetched-bytes)" "$before" "and not fetched"
export_is c "$tmpdir/source.raw" "the content is right"
start_cor off "$tmpdir/source.raw" cor-on-cache=false
fails "with cor-on-cache=false it is not offered" timeout 20 nbdinfo --can cache "$(uri_of off)"
done_testing
