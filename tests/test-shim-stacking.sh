#!/usr/bin/env bash
# The filter works above and below other filters.
. "${0%/*}/shim-functions.sh"

works() # TEXT ARGUMENT...
{
    local text=$1
    shift
    start_nbdkit stack "$@"
    ok "$text" qemu_io stack -c 'write -P 5 64k 1M' -c 'read -P 5 64k 1M' -c 'write -z 64k 64k' \
        -c 'read -P 0 64k 64k' -c flush
    is "$(timeout 30 nbdinfo --size "$(uri_of stack)")" 8388608 "$text: the size"
    stop_nbdkit stack
    is $? 0 "$text: ends"
}

works "cow below" --filter="$pass_filter" --filter=cow memory 8M
works "cow above" --filter=cow --filter="$pass_filter" memory 8M
works "delay below" --filter="$pass_filter" --filter=delay memory 8M wdelay=10ms
works "delay above" --filter=delay --filter="$pass_filter" memory 8M wdelay=10ms
works "a delay while it is opened, below" --filter="$pass_filter" --filter=delay memory 8M \
    delay-open=10ms
works "offset below" --filter="$pass_filter" --filter=offset memory 9M offset=1M
works "several below" --filter="$pass_filter" --filter=stats --filter=blocksize --filter=delay \
    memory 8M rdelay=1ms statsfile=/dev/null

# retry opens what is below it again, on the same connection.
start_nbdkit retry --filter=retry --filter="$pass_filter" --filter=error memory 8M \
    error-pread=EIO error-pread-file="$tmpdir/bad" error-pread-rate=100% retries=20 retry-delay=1 \
    retry-exponential=no
touch "$tmpdir/bad"
qemu_io retry -c 'read -P 0 0 64k' > "$tmpdir/read.out" &
reader=$!
ok "retry above: it has an error" wait_for 10 log_has retry 'injecting EIO'
rm "$tmpdir/bad"
ok "retry above: and recovers" wait $reader

done_testing
