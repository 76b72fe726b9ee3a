#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A child that has lost a vote and was not put right is known to differ: the status says
# so, until the place is written or found to be equal.
. "${0%/*}/quorum-fault-functions.sh"

spoil() { printf '\0' | dd of="$tmpdir/3.raw" bs=1 seek=70000 conv=notrunc status=none; }
mend() { printf '\x32' | dd of="$tmpdir/3.raw" bs=1 seek=70000 conv=notrunc status=none; }

three_images 1M 0x32
start_quorum q quorum-child.a="$tmpdir/1.raw" quorum-child.b="$tmpdir/2.raw" \
    quorum-child.c="$tmpdir/3.raw"
watch_events q
spoil
ok "nobody has looked yet" status_is healthy
ok "a read finds it" qemu_io q -r -c 'read 64k 64k'
ok "the status says that it is so" status_is differs
is "$(status_value details/0)" \
    "differs: 'c' holds something else than the others, or cannot be read, in 512 bytes" "in words"
is "$(status_value survivable-failures)" 0 "where c is wrong, no other one may fail"
is "$(status_value advice/0)" "copy it anew: resync-start full=true child=c" "and what to do"
is "$(child_value c differing-bytes)" 512 "the child says it, too"
fails_like "wait-resync does not say that all is well" "^nbdctl: c is not equal to the others" \
    timeout 20 "$nbdctl" "$(control_of q)" wait-resync

does "it is copied anew" resync-start child=c full=true
ok "then wait-resync succeeds" timeout 60 "$nbdctl" "$(control_of q)" wait-resync
ok "and all is well" status_is healthy
identical "which is true"

spoil
ok "it is wrong again" qemu_io q -r -c 'read 64k 4k' -c 'read 68k 4k'
ok "and known" status_is differs
ok "the place is written" qemu_io q -c 'write -P 0x32 69632 4k'
ok "which mends it" status_is healthy
identical "in fact"

spoil
ok "it is wrong once more" qemu_io q -r -c 'read 0 1M'
ok "and known once more" status_is differs
mend
ok "somebody else mends it" qemu_io q -r -c 'read 0 1M'
ok "and a read finds that" status_is healthy
stop_nbdkit q

start_quorum healing "$tmpdir/"{1,2,3}.raw quorum-rewrite-corrupted=true
watch_events healing
spoil
ok "with rewrite-corrupted a read finds it" qemu_io healing -r -c 'read 68k 4k'
is "$(child_value children.2 counters/rewrites)" 1 "which is rewritten"
ok "and so it is known to be right" status_is healthy
identical "in fact, too"
done_testing
