#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# read-pattern=fifo: the first child that answers is believed, without a vote;
# the failures before it are reported; if all fail, the last error is the
# result, and there is no QUORUM_FAILURE.
. "${0%/*}/quorum-vectors.sh"

eio='read: Input/output error'
enospc='read: No space left on device'
enomem='read: Cannot allocate memory'

for threshold in 1 3; do
    vector "A B C" $threshold A "" quorum-read-pattern=fifo
    vector "EIO ENOSPC A" $threshold A "BAD(0) $eio, BAD(1) $enospc" quorum-read-pattern=fifo
done
vector "EIO B C" 2 B "BAD(0) $eio" quorum-read-pattern=fifo
vector "EIO ENOSPC ENOMEM" 1 ENOMEM "BAD(0) $eio, BAD(1) $enospc, BAD(2) $enomem" \
    quorum-read-pattern=fifo

done_testing
