#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# nbdctl wait-resync succeeds when all are in sync, and in no other case: it tells
# why they are not, at once where only a person can change that, else when its time
# is over.
. "${0%/*}/functions.sh"
. "${0%/*}/control-functions.sh"
start_demo

# waits STATE:BYTES EXIT TEXT
waits()
{
    run_nbdctl set-resync "$1"
    run_nbdctl wait-resync --interval 0.05 --timeout 1.5
    is "$status: $err" "$2: $3" "$1"
}
stalled="nbdctl: the resync of children.1 has got no nearer to its end for 1.5 s"

waits idle:0 0 ""
waits paused:0 0 ""
waits cancelled:65536 1 "nbdctl: the resync of children.1 was cancelled: for a reason"
waits paused:65536 1 "nbdctl: the resync of children.1 is paused: for a reason"
waits failed:65536 1 "nbdctl: the resync of children.1 has failed: for a reason"
waits differs:0 1 "nbdctl: children.1 is not equal to the others: for a reason"
waits waiting:0 4 "$stalled: the resync of children.1 is waiting: for a reason"
waits waiting:65536 4 "$stalled: the resync of children.1 is waiting: for a reason"
waits blocked:65536 4 "$stalled: the resync of children.1 is blocked: for a reason"
waits running:0 4 "$stalled"

run_nbdctl set-resync differs:0
run_nbdctl progress --interval 0.05
is "$status$out" 1 "progress does not say that all are in sync, either"
done_testing
