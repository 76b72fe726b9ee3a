#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Parameters that cannot be: each is refused before the server serves, and the
# message names the key, the value and what is allowed.
. "${0%/*}/replication-functions.sh"

truncate -s 1M "$tmpdir/d.disk"
# refused NAME REGEX PARAMETER...: nbdkit does not start.
refused()
{
    fails_like "$1" "$2" timeout 20 nbdkit -f -U - --filter="$replication_filter" \
        file "$tmpdir/d.disk" "${@:3}"
}
secondary=(replication-mode=secondary replication-active="$run/a" replication-hidden="$run/h")
primary=(replication-mode=primary replication-secondary=nbd://localhost/primary)
refused "no mode" 'Missing the option mode'
refused "another mode" "replication-mode=both: The option mode's value should be primary or secondary" \
    replication-mode=both
refused "no active" 'replication-active= is missing: give' replication-mode=secondary \
    replication-hidden="$run/h"
refused "no hidden" 'replication-hidden= is missing: give' replication-mode=secondary \
    replication-active="$run/a"
refused "no secondary" 'replication-secondary= is missing: give' replication-mode=primary
refused "a primary with a hidden file" \
    'The primary side does not support option replication-hidden' "${primary[@]}" \
    replication-hidden="$run/h"
refused "a secondary with a protocol" \
    'The secondary side does not support option replication-protocol' "${secondary[@]}" \
    replication-protocol=sync
refused "one file for both" 'replication-hidden=.*: this is the same file as replication-active' \
    replication-mode=secondary replication-active="$run/a" replication-hidden="$run/a"
refused "the disk as hidden" 'this is the same file as the disk' replication-mode=secondary \
    replication-active="$run/a" replication-hidden="$tmpdir/d.disk"
refused "hidden as the map of active" "this is the same file as replication-active's map" \
    replication-mode=secondary replication-active="$run/a" replication-hidden="$run/a.map"
refused "no path" 'replication-active=: expects a path' replication-mode=secondary \
    replication-active=
for value in 0 1000 2048 4M 4097; do
    refused "clusters of $value" \
        "replication-cluster-size=$value: expects a power of two from 4096 to 2097152" \
        "${secondary[@]}" replication-cluster-size=$value
done
refused "no such protocol" 'replication-protocol=both: expects sync or async' "${primary[@]}" \
    replication-protocol=both
refused "no such policy" 'replication-backlog-full=panic: expects wait or resync' \
    "${primary[@]}" replication-backlog-full=panic
refused "no time" 'replication-timeout=soon' "${secondary[@]}" replication-timeout=soon
refused "no name" "replication-name=a b: expects letters" "${secondary[@]}" replication-name='a b'
refused "a folder that is not there" 'replication-active=.*No such file' \
    replication-mode=secondary replication-active=/nowhere/a replication-hidden="$run/h"
refused "a folder as a file" 'cannot be opened|not a regular file' replication-mode=secondary \
    replication-active="$run" replication-hidden="$run/h"
fails_like "no name for the identity" 'replication-identity= is missing' timeout 20 nbdkit -f -U - \
    --filter="$replication_filter" memory 1M "${secondary[@]}"
fails_like "a disk that cannot be written" 'read-only' timeout 20 nbdkit -f -U - \
    --filter="$replication_filter" pattern 1M "${secondary[@]}" replication-identity="$run/i"
fails_like "a plugin that is not parallel" 'does not serve requests in parallel' \
    timeout 20 nbdkit -f -U - --filter="$replication_filter" --filter=noparallel \
    file "$tmpdir/d.disk" serialize=requests "${secondary[@]}"
is "$(ls "$run")" "" "nothing was made"
done_testing
