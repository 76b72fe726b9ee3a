#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Above a plugin that serves one request at a time the filter works, but nothing
# can be fetched in the background, and that is said.
. "${0%/*}/cor-functions.sh"
requires_nbdkit_filter noparallel

random_image "$tmpdir/source.raw" 2M 1
cor_form=filter
nbdkit_options=(--filter=noparallel)
start_cor c "$tmpdir/source.raw" serialize=requests
export_is c "$tmpdir/source.raw" "it is read"
ok "and written" qemu_io c -c 'write -P 3 1000 2000' -c 'read -P 3 1000 2000' -c flush
is "$(status_of c complete)" true "and kept"
fails_like "a stream is refused by its command" 'in parallel' qmp "$(control_of c)" stream-start
stop_nbdkit c
start_cor c "$tmpdir/source.raw" serialize=requests
ok "it opens again" qemu_io c -c 'read -P 3 1000 2000'
stop_nbdkit c
refuses_to_start "and at the start" 'cor-stream=true: something below' c "$tmpdir/source.raw" \
    serialize=requests cor-stream=true
refuses_to_start "a trace is refused" 'cor-trace: something below' c "$tmpdir/source.raw" \
    serialize=requests cor-trace="$tmpdir/trace"
done_testing
