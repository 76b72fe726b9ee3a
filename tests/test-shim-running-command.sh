#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A command of the control socket that still runs when the server ends is left
# behind, and so is the module that it uses: it is not destroyed under it.
. "${0%/*}/shim-functions.sh"

empty_image "$tmpdir/disk" 1M
for form in filter plugin; do
    if [ $form = filter ]; then
        module=(--filter="$pass_filter" file "$tmpdir/disk")
    else
        module=("$pass_plugin" "$tmpdir/disk")
    fi
    start_nbdkit $form "${module[@]}" pass-control="$tmpdir/$form.control"
    "$nbdctl" "$tmpdir/$form.control" hold > "$tmpdir/$form.hold" 2>&1 &
    at_exit_kill $!
    is_held() { timeout 10 "$nbdctl" "$tmpdir/$form.control" query-pass --json | grep -q '"held": *true'; }
    ok "$form: a command runs" wait_for 10 is_held
    stop_nbdkit $form 20
    is $? 0 "$form: the server ends without it"
    ok "$form: it has said so" log_has $form 'a command is still running'
    unlike "$(cat "$tmpdir/$form.log")" "destroyed although" "$form: what it uses was not destroyed"
done
done_testing
