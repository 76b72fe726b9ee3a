#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A large request over a slow line may take longer than the timeout, as long as something
# comes; a child that is frozen in the middle of one is given up after one timeout.
. "${0%/*}/quorum-fault-functions.sh"
requires_nbdkit_filter rate

three_images 32M 0x21
start_nbdkit b --filter=rate file "$tmpdir/2.raw" rate=32M
start_nbdkit c --filter=rate file "$tmpdir/3.raw" rate=32M
start_quorum q "$tmpdir/1.raw" "$(uri_of b)" "$(uri_of c)" quorum-timeout=2s
watch_events q
milliseconds qemu_io q -c 'write -P 0x22 0 16M' > "$tmpdir/write.log"
like "$(cat "$tmpdir/write.log")" 'wrote 16777216' "a write that takes longer than the timeout"
ok "it did ($elapsed ms)" test "$elapsed" -gt 2000
milliseconds qemu_io q -r -c 'read -P 0x22 0 16M' > "$tmpdir/read.log"
unlike "$(cat "$tmpdir/read.log")" 'failed|error' "a read that does is right ($elapsed ms)"
for child in children.1 children.2; do
    is "$(child_value $child state) $(child_value $child counters/timeouts)" "online 0" \
        "$child was not given up"
done

# It has taken some of this, and then nothing more.
qemu_io q -c 'write -P 0x23 0 16M' > "$tmpdir/frozen.log" &
writer=$!
ok "a write is under way" wait_for 10 child_at_least children.0 counters/writes 2
kill -STOP "$(pid_of c)"
ok "a child that is frozen in the middle of one is noticed" \
    wait_for 30 child_value_is children.2 counters/timeouts 1
kill -CONT "$(pid_of c)"
wait $writer
like "$(cat "$tmpdir/frozen.log")" 'wrote 16777216' "the write is carried out by the others"
ok "the child comes back" wait_for 60 child_value_is children.2 state online
ok "and is brought up to date" wait_for 60 child_value_is children.2 stale-bytes 0
identical "the children are equal"
done_testing
