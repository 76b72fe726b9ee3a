#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Whether what read-only clients read is kept is a choice.
. "${0%/*}/cor-functions.sh"

random_image "$tmpdir/source.raw" 2M 1
nbdkit_options=(-r)
for cor_form in plugin filter; do
    start_cor kept "$tmpdir/source.raw"
    export_is kept "$tmpdir/source.raw" "$cor_form: a read-only client reads"
    is "$(status_of kept complete)" true "$cor_form: and it is kept"
    stop_nbdkit kept
    start_cor passed "$tmpdir/source.raw" cor-read-only-copy=false
    export_is passed "$tmpdir/source.raw" "$cor_form: with cor-read-only-copy=false, too"
    is "$(status_of passed local-clusters)" 0 "$cor_form: and nothing is kept"
    is "$(counter_of passed passed-bytes)" $((2 << 20)) "$cor_form: only passed on"
    stop_nbdkit passed
    rm -f "$(copy_of kept)"* "$(copy_of passed)"*
done
done_testing
