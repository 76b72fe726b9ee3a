#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Each of our filters over each other one, over each plugin of ours, and over
# plugins of nbdkit's; and some higher stacks.
. "${0%/*}/stack-functions.sh"

our_filters=(quorum blkverify logwrites copy-on-read replication)

# Why a pair is refused; all others work.
declare -A reason=(
    [quorum plugin:our-quorum]='the plugin below the filter is quorum too'
    [copy-on-read plugin:our-copy-on-read]='the plugin below the filter is copy-on-read too'
)
for filter in "${our_filters[@]}"; do
    reason[$filter $filter]="$filter: the filter is loaded 2 times"
done

# pair UPPER LOWER [PLUGIN]
pair()
{
    if [ -n "${reason[$1 $2]:-}" ]; then
        refused "${reason[$1 $2]}" "$@"
    else
        works "$@"
    fi
}

for upper in "${our_filters[@]}"; do
    for lower in "${our_filters[@]}"; do pair "$upper" "$lower" plugin:file; done
    for plugin in our-quorum our-copy-on-read our-logreplay file memory nbd; do
        pair "$upper" "plugin:$plugin"
    done
done

works blkverify quorum logwrites plugin:file
works logwrites quorum blkverify plugin:file
works quorum logwrites copy-on-read plugin:nbd
works copy-on-read blkverify quorum plugin:file
works replication quorum logwrites plugin:file
works blkverify logwrites copy-on-read plugin:our-quorum
works quorum blkverify logwrites copy-on-read replication plugin:nbd
done_testing
