#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Every combination of versions and errors has one result and one list of
# events, in one order: reads by vote.
. "${0%/*}/quorum-vectors.sh"

eio='read: Input/output error'
enospc='read: No space left on device'

for threshold in 1 2 3; do
    vector "A A A" $threshold A ""
done
vector "A B A" 2 A "BAD(1)"
vector "A B A" 3 EIO "FAILURE"
vector "A B C" 2 EIO "FAILURE"
vector "A B C" 1 C "BAD(1), BAD(0)"
vector "A A B B" 2 B "BAD(1), BAD(0)"
vector "A B A B" 2 B "BAD(2), BAD(0)"
vector "A A B B" 3 EIO "FAILURE"
vector "EIO A A" 2 A "BAD(0) $eio"
vector "EIO A B" 1 B "BAD(0) $eio, BAD(1)"
vector "EIO A A" 3 EIO "BAD(0) $eio, FAILURE"
vector "EIO A B" 2 EIO "BAD(0) $eio, FAILURE"
vector "EIO ENOSPC A" 2 ENOSPC "BAD(0) $eio, BAD(1) $enospc, FAILURE"
vector "EIO EIO ENOSPC" 1 EIO "BAD(0) $eio, BAD(1) $eio, BAD(2) $enospc, FAILURE"
# Among as many errors of each kind the one wins that came up last in the order.
vector "ENOSPC EIO A" 2 EIO "BAD(0) $enospc, BAD(1) $eio, FAILURE"

done_testing
