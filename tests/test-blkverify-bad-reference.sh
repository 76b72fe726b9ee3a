#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A reference that cannot be one is refused at the start, with the reason.
. "${0%/*}/blkverify-functions.sh"

two_images 1M
rm "$tmpdir/raw.raw"
refused "none is there" "raw\.raw' does not exist"
refused "a directory" 'is a directory' blkverify-raw="$tmpdir"
refused "a device that is neither" 'regular file or a block device' blkverify-raw=/dev/null
refused "no server" "blkverify-raw: .*cannot use" blkverify-raw="nbd+unix:///?socket=$tmpdir/none.sock"
refused "a command that ends" "blkverify-raw: .*cannot use" blkverify-raw='[ false ]'
refused "no SPEC" 'blkverify-raw: .*names no child' blkverify-raw=
refused "not NBD" 'unknown scheme' blkverify-raw=http://host/x
refused "two of them" "given already, as .*a\.raw" blkverify-raw="$tmpdir/a.raw" \
    blkverify-raw="$tmpdir/b.raw"

cp "$tmpdir/test.raw" "$tmpdir/raw.raw"
if [ "$(id -u)" -eq 0 ] && ! runuser -u nobody true 2> /dev/null; then
    skip "unreadable" "root reads everything, and there is nobody else"
else
    chmod 0 "$tmpdir/raw.raw"
    chmod 755 "$tmpdir"
    as=()
    [ "$(id -u)" -ne 0 ] || as=(runuser -u nobody --)
    fails_like "unreadable" "raw\.raw' cannot be" timeout 20 ${as[@]+"${as[@]}"} \
        "$nbdkit_program" -U - --filter="$blkverify_filter" memory 1M \
        blkverify-raw="$tmpdir/raw.raw" --run true
    chmod 644 "$tmpdir/raw.raw"
fi

status=$(timeout 20 nbdkit -U - --filter="$blkverify_filter" null 1M --run true 2>&1)
like "$status" 'A block device must be specified for "raw"' "none was given: QEMU's text"
done_testing
