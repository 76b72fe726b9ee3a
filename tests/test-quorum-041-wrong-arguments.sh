#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 041, wrong sync mode: a command with missing or unknown arguments, or
# arguments of the wrong type, does nothing.
. "${0%/*}/quorum-041.sh"

start_041 1M
refuses "no spec" "Parameter 'spec' is missing" blockdev-add node-name=repair0
refuses "no spec for child-add" "Parameter 'spec' is missing" child-add name=repair0
refuses "no child to remove" "Parameter 'child' is missing" child-remove
refuses "no child to pause" "Parameter 'child' is missing" resync-pause
refuses "an unknown argument" "Parameter 'sync' is unexpected" \
    child-add spec="$tmpdir/repair0" sync=full
refuses "a number for a name" "Invalid parameter type for 'name', expected: string" \
    child-add spec="$tmpdir/repair0" name=7
refuses "a string for a boolean" "Invalid parameter type for 'content-equal', expected: boolean" \
    child-add spec="$tmpdir/repair0" content-equal=maybe
is "$(children)" "$before" "the children are as before"
does "and the image is free" child-add spec="$tmpdir/repair0" name=repair0

done_testing
