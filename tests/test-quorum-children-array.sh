#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Children by their places: without a gap, each place once, each storage once, all
# of one size.
. "${0%/*}/quorum-functions.sh"

three_images 64K 0x32
start_quorum q quorum-child.2="$tmpdir/3.raw" quorum-child.0="$tmpdir/1.raw" \
    quorum-child.1="$tmpdir/2.raw"
watch_events q
control query-children
is "$(value return/0/spec) $(value return/1/spec) $(value return/2/spec)" \
    "$tmpdir/1.raw $tmpdir/2.raw $tmpdir/3.raw" "the places are the order"
stop_nbdkit q

refuses_to_start "a gap" "is not a valid array: there is no quorum-child.1" \
    quorum-child.0="$tmpdir/1.raw" quorum-child.2="$tmpdir/3.raw"
refuses_to_start "not from 0" "is not a valid array: there is no quorum-child.0" \
    quorum-child.1="$tmpdir/1.raw" quorum-child.2="$tmpdir/3.raw"
refuses_to_start "a place twice" "this child has been given already" quorum-child.0="$tmpdir/1.raw" \
    quorum-child.0="$tmpdir/2.raw"
refuses_to_start "a file twice" "this is the same storage" "$tmpdir"/{1,2,1}.raw
ln -s "$tmpdir/1.raw" "$tmpdir/link.raw"
refuses_to_start "a file twice, by a link" "this is the same storage" "$tmpdir"/{1,2,link}.raw
quorum_form=filter
refuses_to_start "as a filter, place 0" "child 0 is the plugin below the filter" \
    "$tmpdir/1.raw" quorum-child.0="$tmpdir/2.raw"
refuses_to_start "as a filter, the file below" "this is the same storage" "$tmpdir"/{1,2,1}.raw
quorum_form=plugin

empty_image "$tmpdir/long.raw" 128K
refuses_to_start "different sizes" "65536.*131072|131072.*65536" "$tmpdir"/{1,2,long}.raw
empty_image "$tmpdir/longer.raw" 65537
refuses_to_start "different by a byte" "65536.*65537|65537.*65536" "$tmpdir"/{1,2,longer}.raw

done_testing
