#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A value that is none is refused at the start; the message names it and says
# what is allowed.
. "${0%/*}/blkverify-functions.sh"

two_images 1M
refused "a mode" 'blkverify-on-mismatch=panic: expects exit, error or report' \
    blkverify-on-mismatch=panic
for bad in 2 -1 101% half ''; do
    refused "a share: $bad" "blkverify-sample=$bad: expects a share from 0 to 1" \
        blkverify-sample="$bad"
done
refused "a time" 'blkverify-timeout=never: expects a time' blkverify-timeout=never
refused "a truth" 'blkverify-read-only=perhaps: expects true or false' blkverify-read-only=perhaps
refused "a name" "blkverify-name=a/b: expects letters" blkverify-name=a/b
refused "an unknown parameter" 'unknown parameter|unrecognized parameter' blkverify-threshold=2
below=(--filter="$blkverify_filter" file "$tmpdir/test.raw")
refused "the filter twice" 'loaded 2 times'
done_testing
