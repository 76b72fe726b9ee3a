#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A child that does not answer at the start: nbdkit says which one and what it
# tried, and ends before it serves.
. "${0%/*}/quorum-fault-functions.sh"

three_images 1M
serve_image two "$tmpdir/2.raw"
freeze "$(pid_of two)"
milliseconds refuses_to_start "it does not start" "quorum-child.*two\.sock.*(timed out|no answer|did not|within)" \
    "$tmpdir/1.raw" "$(uri_of two)" "$tmpdir/3.raw" quorum-timeout=1s
ok "in bounded time ($elapsed ms)" test $elapsed -lt 5000
thaw "$(pid_of two)"
start_quorum q "$tmpdir/1.raw" "$(uri_of two)" "$tmpdir/3.raw" quorum-timeout=1s
ok "with all of them it starts" qemu_io q -c 'read 0 64k'
done_testing
