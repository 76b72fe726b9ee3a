#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Wrong parameters are refused before anything is served, with what is allowed.
. "${0%/*}/logreplay-functions.sh"

make_log 'write:0:8:1' 'flush'
touch "$tmpdir/file"
refuses_to_replay "no log" 'which log\?  Give nbdkit logreplay FILE'
refuses_to_replay "two logs" 'a log has been given already' "$log" "$log"
refuses_to_replay "an unknown key" "unknown parameter 'bse'" "$log" bse=x
refuses_to_replay "a size that is none" 'size=12x' "$log" size=12x
refuses_to_replay "a base that is not there" "base: .*none" "$log" base="$tmpdir/none"
refuses_to_replay "a base that is no SPEC" "base: .*ftp" "$log" base=ftp://x/y
refuses_to_replay "an overlay that is no folder" 'is no folder; make it first' "$log" \
    overlay="$tmpdir/file"
refuses_to_replay "an overlay without a value" 'overlay=: expects a path' "$log" overlay=
refuses_to_replay "an unknown point" "'now' names no point of the log" "$log" point=now
done_testing
