#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A child server that is killed forgets what it had not flushed.  When it is back
# it is not believed there until it has been given that again.
. "${0%/*}/quorum-fault-functions.sh"
requires_nbdkit_filter cache

# nbdkit's cache filter keeps what is written in a file that dies with it.  The
# forgetful child is the one that a fifo read asks first.
forgetful() { start_nbdkit one --filter=cache file "$tmpdir/1.raw" cache=writeback; }

for pattern in fifo quorum fastest; do
    for i in 1 2 3; do pattern_image "$tmpdir/$i.raw" 8M 0x10; done
    forgetful
    start_quorum $pattern "$(uri_of one)" "$tmpdir/2.raw" "$tmpdir/3.raw" quorum-timeout=3s \
        quorum-read-pattern=$pattern quorum-resync-rate=2M
    watch_events $pattern
    ok "$pattern: a write that is flushed" qemu_io $pattern -c 'write -P 0x11 0 1M' -c flush
    ok "$pattern: the server has it on disk" holds "$tmpdir/1.raw" 0x11 0 1M

    # One that is not: qemu-io flushes only when it ends, with -t writeback.
    timeout 60 stdbuf -oL qemu-io -f raw -t writeback -c 'write -P 0x12 4M 3M' -c 'sleep 60000' "$(uri_of $pattern)" \
        > "$tmpdir/writer.out" 2>&1 &
    writer=$!
    wait_for 10 grep -q '^wrote' "$tmpdir/writer.out" || fail "$pattern: it was not written"
    kill_nbdkit one
    ok "$pattern: the server has forgotten it" holds "$tmpdir/1.raw" 0x10 4M 3M
    becomes degraded "$pattern: the loss of the server is noticed"
    forgetful
    wait_for 20 child_value_is children.0 state online || fail "$pattern: it did not come back"
    ok "$pattern: a copy is to be made" test "$(child_value children.0 stale-bytes)" -gt 0
    ok "$pattern: nobody reads what it held before" qemu_io $pattern -r -c 'read -P 0x12 4M 3M'
    ok "$pattern: what it had flushed was not copied" \
        test "$(child_value children.0 stale-bytes)" -le $((3 << 20))
    recovers "$pattern: it is given what it forgot"
    kill "$writer" 2> /dev/null
    ok "$pattern: a flush" qemu_io $pattern -c flush
    ok "$pattern: now it holds the write" holds "$tmpdir/1.raw" 0x12 4M 3M
    identical "$pattern: the children are equal"
    never_differed "$pattern: nobody was called a liar"
    stop_nbdkit $pattern
    stop_nbdkit one
done
done_testing
