#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# nbdkit gives words without a name to the plugin.  A filter that may have been meant
# says so, before one of them is served alone.
. "${0%/*}/functions.sh"
requires nbdkit

truncate -s 1M "$tmpdir"/{a,b,c,d1,d2}
truncate -s 2M "$tmpdir/two"

# refused TEXT REGEX ARGUMENT...
refused() { fails_like "$1" "$2" timeout 30 nbdkit -f -U "$tmpdir/none.sock" "${@:3}"; }

refused "quorum over file, with three words" \
    "plugin file below, which takes one and was given file=.*/a, file=.*/b, file=.*/c: .* quorum-child=.*/c" \
    --filter="$quorum_filter" file "$tmpdir"/{a,b,c}
refused "with names" "takes one and was given" --filter="$quorum_filter" file file="$tmpdir/a" file="$tmpdir/b"
refused "quorum over nbd" "plugin nbd below, which takes one and was given uri=" \
    --filter="$quorum_filter" nbd nbd://localhost/a nbd://localhost/b
refused "blkverify" "blkverify-raw=.*/b" --filter="$blkverify_filter" file "$tmpdir"/{a,b}
refused "logwrites" "logwrites-log=.*/b" --filter="$logwrites_filter" file "$tmpdir"/{a,b}
refused "copy-on-read" "cor-file=.*/b" --filter="$cor_filter" file "$tmpdir"/{a,b}
refused "replication" "replication-secondary=.*/b" --filter="$replication_filter" file "$tmpdir"/{a,b}
refused "below another filter" "quorum-child=.*/c" --filter=cow --filter="$quorum_filter" file "$tmpdir"/{a,b,c}

ok "a plugin that makes one disk of several is left alone" \
    start_nbdkit split --filter="$quorum_filter" split "$tmpdir"/{d1,d2} quorum-child="$tmpdir/two"
stop_nbdkit split

# A quorum of one is allowed, since children can be added, but not in silence.
start_nbdkit one --filter="$quorum_filter" file "$tmpdir/a"
like "$(cat "$tmpdir/one.log")" "there is one child: nothing is compared with it" "one child is said"
stop_nbdkit one
done_testing
