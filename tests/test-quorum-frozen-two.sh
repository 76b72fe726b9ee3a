#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Two of three children freeze: an error within the timeout, at once after that,
# never a hang; and all is well when they thaw.
. "${0%/*}/quorum-fault-functions.sh"

three_images 2M
serve_image two "$tmpdir/2.raw"
serve_image three "$tmpdir/3.raw"
start_quorum q "$tmpdir/1.raw" "$(uri_of two)" "$(uri_of three)" quorum-timeout=1s
watch_events q
ok "a write" qemu_io q -c 'write -P 0x31 0 128k' -c flush

for command in 'read 0 64k' 'write -P 0x32 1M 64k' 'flush' 'write -z 1M 64k'; do
    freeze "$(pid_of two)"
    freeze "$(pid_of three)"
    fails_within 4000 "$command fails in time" qemu_io q -c "$command"
    becomes failed "the quorum knows that it has failed"
    fails_within 1000 "the next $command fails at once" qemu_io q -c "$command"
    thaw "$(pid_of two)"
    thaw "$(pid_of three)"
    recovers "the children come back"
    ok "and so do the data" qemu_io q -c 'read -P 0x31 0 128k' -c 'write -P 0x33 1M 128k'
done
identical "the children are equal"
never_differed "nobody was called a liar"
done_testing
