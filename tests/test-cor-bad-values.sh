#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Wrong parameters are refused before anything is touched.
. "${0%/*}/cor-functions.sh"

random_image "$tmpdir/source.raw" 1M 1
refused() { refuses_to_start "$2" "$1" c "$tmpdir/source.raw" "$2"; }
for form in plugin filter; do
    cor_form=$form
    refused 'expects a power of two from 4096 to 2097152' cor-cluster-size=3000
    refused 'expects a power of two' cor-cluster-size=4M
    refused 'expects a power of two' cor-cluster-size=512
    refused 'cor-cluster-size=x' cor-cluster-size=x
    refused 'cor-timeout' cor-timeout=0
    refused 'cor-stream' cor-stream=perhaps
    refused 'cor-stream-rate' cor-stream-rate=-1
    refused 'cor-on-cache' cor-on-cache=2
    refused 'cor-max-depth' cor-max-depth=0
    refused 'cor-trace=.*cannot be written' cor-trace="$tmpdir/nowhere/trace"
    refused 'unknown|not a recognized|cor-unknown' cor-unknown=1
    rm -f "$(copy_of c)"*
done
fails_like "no cor-file" 'cor-file= is missing' timeout 20 nbdkit -U - "$cor_plugin" \
    "$tmpdir/source.raw" --run true
fails_like "no source" 'the source is missing' timeout 20 nbdkit -U - "$cor_plugin" \
    cor-file="$tmpdir/x.raw" --run true
fails_like "two sources" 'has been given already' timeout 20 nbdkit -U - "$cor_plugin" \
    "$tmpdir/source.raw" cor-source="$tmpdir/other.raw" cor-file="$tmpdir/x.raw" --run true
fails_like "no such source" 'cor-source: .*does not exist' timeout 20 nbdkit -U - "$cor_plugin" \
    "$tmpdir/none.raw" cor-file="$tmpdir/x.raw" --run true
fails "and nothing was made" test -e "$tmpdir/x.raw"
done_testing
