#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What a module can have works in the smallest one that has it: parameters that
# are checked, a command, an event and a background thread, in both forms.
. "${0%/*}/shim-functions.sh"
. "${0%/*}/session-functions.sh"

empty_image "$tmpdir/disk" 1M
for form in filter plugin; do
    if [ $form = filter ]; then
        module=(--filter="$pass_filter" file "$tmpdir/disk")
    else
        module=("$pass_plugin" "$tmpdir/disk")
    fi
    fails_like "$form: a misspelt parameter" "pass: unknown parameter 'pass-fial'; did you mean 'pass-fail'" \
        timeout 20 nbdkit -f -U - "${module[@]}" pass-fial=get_ready
    fails_like "$form: a wrong value" "pass-timeout=never: expects a time" \
        timeout 20 nbdkit -f -U - "${module[@]}" pass-timeout=never
    start_nbdkit $form "${module[@]}" pass-control="$(control_of $form)" pass-flush-interval=50ms
    watch_events $form

    event_comes "$form: the thread works, and its event comes" 10 "^other PASS_FLUSHED .*\"error\":0"
    ok "$form: a request" qemu_io $form -c 'write 0 4k'
    ok "$form: the command" control query-pass
    like "$answer" '"requests": *[1-9]' "$form: the requests are counted"
    stop_nbdkit $form
    is $? 0 "$form: status 0"
done
fails_like "filter: a parameter of the plugin" "unknown parameter 'pass-child'" \
    timeout 20 nbdkit -f -U - --filter="$pass_filter" memory 1M pass-child=x
done_testing
