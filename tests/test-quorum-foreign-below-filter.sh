#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The plugin below the filter serves another disk after a restart: it is compared before it
# is asked for anything else, and foreign.
quorum_form=filter
. "${0%/*}/quorum-foreign-functions.sh"

three_images 4M
start_quorum q "$tmpdir/1.raw" "$tmpdir/2.raw" "$tmpdir/3.raw" "$memory"
watch_events q
fills "it is written" 7
stop_nbdkit q
start_quorum q "$tmpdir/1.raw" "$tmpdir/2.raw" "$tmpdir/3.raw" "$memory"
watch_events q
ok "at once the one that was left is read" qemu_io q -c 'read -P 7 0 4M'
is "$(child_value children.0 state)" online "and in use"
stop_nbdkit q
pattern_image "$tmpdir/1.raw" 4M 66
start_quorum q "$tmpdir/1.raw" "$tmpdir/2.raw" "$tmpdir/3.raw" "$memory"
ok "of another one nothing is read" qemu_io q -c 'read -P 7 0 4M'
watch_events q
is_foreign "it is foreign" children.0
is_left_alone "it is not touched" "$tmpdir/1.raw"
does "it is accepted" child-accept child=children.0
recovers "and filled"
stop_nbdkit q
ok "with all there is" cmp "$tmpdir/1.raw" "$tmpdir/2.raw"
done_testing
