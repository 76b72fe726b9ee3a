#!/usr/bin/env bash
# Above a plugin that serves one request at a time the filter works, and says
# what it cannot do there.
. "${0%/*}/shim-functions.sh"

for model in connections all-requests requests; do
    start_nbdkit $model --filter="$pass_filter" --filter=noparallel memory 8M serialize=$model
    ok "$model: it warns" log_has $model 'warning: pass: .*not parallel.*nbdkit pass SPEC'
    ok "$model: and works" qemu_io $model -c 'aio_write -P 5 0 1M' -c 'aio_write -P 6 1M 1M' \
        -c aio_flush -c 'read -P 5 0 1M' -c 'read -P 6 1M 1M' -c flush -c 'discard 0 1M'
    stop_nbdkit $model
    is $? 0 "$model: and ends"
done

start_nbdkit parallel --filter="$pass_filter" memory 8M
fails "no warning above a parallel one" log_has parallel 'warning'

done_testing
