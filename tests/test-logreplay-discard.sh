#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What was discarded reads as zeroes, or as what was there before.
. "${0%/*}/logreplay-functions.sh"

make_log 'write:0:64:1' 'flush' 'discard:16:16' 'write:24:4:2' 'discard:100:28'
empty_image "$tmpdir/base.img" 64k
start_nbdkit base file "$tmpdir/base.img"
ok "a base" qemu_io base -c 'write -P 9 0 64k'
stop_nbdkit base
start_logreplay r base="$tmpdir/base.img"
ok "by default zeroes" state_io r end 'read -P 1 0 8k' 'read -P 0 8k 4k' 'read -P 2 12k 2k' \
    'read -P 0 14k 2k' 'read -P 1 16k 16k' 'read -P 9 32k 18k' 'read -P 0 50k 14k'
like "$(timeout 20 nbdinfo --map "$(state_uri r end)")" '8192 +4096 +3 +hole,zero' \
    "which are a hole"
stop_nbdkit r
start_logreplay r base="$tmpdir/base.img" discard=keep
ok "discard=keep" state_io r end 'read -P 1 0 12k' 'read -P 2 12k 2k' 'read -P 1 14k 18k' \
    'read -P 9 32k 32k'
stop_nbdkit r
refuses_to_replay "discard=old" 'discard=old: expects zero or keep' "$log" discard=old
done_testing
