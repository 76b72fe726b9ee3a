#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Parameters out of range: the error names the parameter and what is allowed.
. "${0%/*}/quorum-fault-functions.sh"

three_images 1M 0x5a
images=("$tmpdir"/{1,2,3}.raw)

# bad PARAMETER REGEX
bad() { refused "$1" "${1%%=*}.*$2" "${images[@]}" "$1"; }
for form in plugin filter; do
    quorum_form=$form
    diag "as a $form"
    bad quorum-threshold=0 '>= 1'
    bad quorum-threshold=-1 '>= 1|integer'
    bad quorum-threshold=4 'may not exceed children count .3.'
    bad quorum-threshold=99999999999999999999 'integer|<='
    bad quorum-threshold=two 'integer from 1'
    bad quorum-threshold= 'integer from 1'
    bad quorum-read-pattern=lifo 'fifo or quorum'
    bad quorum-read-pattern= 'fifo or quorum'
    bad quorum-rewrite-corrupted=perhaps 'true or false'
    bad quorum-blkverify=2 'true or false'
    bad quorum-blkverify=true 'exactly two files'
    bad quorum-read-only=x 'true or false'
    bad quorum-timeout=0 'from 10 ms to 3600 s'
    bad quorum-timeout=1ms 'from 10 ms to 3600 s'
    bad quorum-timeout=2h 'from 10 ms to 3600 s'
    bad quorum-timeout=-1s 'from 10 ms to 3600 s'
    bad quorum-timeout=soon 'such as 10s'
    bad quorum-resync-rate=-1 'size in bytes'
    bad quorum-resync-rate=1Q 'size in bytes'
    bad quorum-unflushed-limit=-1 'size in bytes'
    bad quorum-unflushed-limit=much 'size in bytes'
    bad quorum-name= 'letters, digits'
    bad 'quorum-name=a b' 'letters, digits'
    bad quorum-control= 'expects a path'
    bad quorum-child= 'empty|SPEC|path'
    bad quorum-child.1.timeout=0 'from 10 ms to 3600 s'
    bad quorum-child.1.cache=writeback 'none or default'
    bad quorum-child.1.lock=maybe 'true or false'
    bad quorum-child.1.colour=red 'timeout, cache or lock'
    refused "an option without a child" 'quorum-child\.x:.*give quorum-child\.x=SPEC' \
        "${images[@]}" quorum-child.x.timeout=1s
    refused "an option for a place without a child" 'quorum-child\.7:.*give quorum-child\.7=SPEC' \
        "${images[@]}" quorum-child.7.timeout=1s
    bad quorum-child..timeout=1s 'name'
done
refused "fifo with rewriting" 'quorum-read-pattern=fifo.*choose quorum or fastest' "${images[@]}" \
    quorum-read-pattern=fifo quorum-rewrite-corrupted=true
refused "rewriting what is read-only" 'quorum-rewrite-corrupted.*quorum-read-only' "${images[@]}" \
    quorum-read-only=true quorum-rewrite-corrupted=true
refused "blkverify with rewriting" 'cannot be used with blkverify' "$tmpdir"/{1,2}.raw \
    quorum-blkverify=true quorum-threshold=2 quorum-rewrite-corrupted=true
done_testing
