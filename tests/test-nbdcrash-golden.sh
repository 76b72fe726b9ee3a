#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# nbdcrash reads every sample log as golden.json says: logs of QEMU's, logs as
# kernels write them, and damaged ones.
. "${0%/*}/functions.sh"
requires_command "no JSON::PP here" perl -MJSON::PP -MDigest::SHA -e 1

names=$(cd "$data/logs" && find . -name '*.log' | sed 's,^\./,,' | LC_ALL=C sort)
for name in $names; do
    ok "$name" perl "$abs_top_srcdir/tests/nbdcrash-golden.pl" "$nbdcrash" "$data/logs" "$name"
done
is "$(wc -w <<< "$names")" \
    "$(perl -MJSON::PP -0777 -e 'print scalar keys %{ decode_json(<>) }' \
        "$data/logs/golden.json")" \
    "golden.json is about these logs and no others"

done_testing
