#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Overlays on a full disk: the client is told so, what it had written is there,
# and when it gives something up it can go on.
. "${0%/*}/logreplay-functions.sh"
requires_root
requires mount umount
mkdir "$tmpdir/small"
requires_command "no tmpfs can be mounted" mount -t tmpfs -o size=256k none "$tmpdir/small"
cleanup_fn umount "$tmpdir/small"

is_empty_again() { [ "$(df --output=used "$tmpdir/small" | tail -n 1 | tr -d " ")" = 0 ]; }
make_log 'write:0:2048:1' 'flush'
TMPDIR=$tmpdir/small start_logreplay r
fails_like "a disk that is full" 'No space left' state_io r end 'write -P 2 0 1M'
ok "what fits" state_io r end 'write -P 2 0 128k' 'read -P 2 0 128k' 'read -P 1 128k 128k'
ok "zeroes give space back" state_io r end 'write -P 2 0 192k' 'write -z 0 192k' \
    'write -P 3 512k 192k' 'read -P 0 0 192k' 'read -P 3 512k 192k'
ok "nothing is left of those that have gone" wait_for 10 is_empty_again
stop_nbdkit r
done_testing
