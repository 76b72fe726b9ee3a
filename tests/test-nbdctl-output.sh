#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# nbdctl's output for people and for programs.
. "${0%/*}/functions.sh"
. "${0%/*}/control-functions.sh"
start_demo

run_nbdctl query-status
is "$status" 0 'query-status succeeds'
is "$out" "size-bytes:     10 MiB (10485760 bytes)
threshold:      2
read-pattern:   quorum
reads:
  total:  12345
  failed: 0
resync-running: no
last-error:     -
modes:          fast, slow
advice:
  wait for it
  hurry" 'an object is shown as aligned lines with units'

run_nbdctl query-children
is "$out" "name        state   dirty-bytes  spec
children.0  up              0 B  /a b.img
children.1  resync      1.5 MiB  nbd://host/\\x1b[31mred" \
    'an array of objects is a table, and cannot colour the terminal'

run_nbdctl --json query-children
is "$(perl -MJSON::PP -0777 -ne 'print decode_json($_)->[1]{"dirty-bytes"}' <<< "$out")" 1572864 \
    '--json prints what the server returned'
run_nbdctl query-children --json
like "$out" '^\[' '--json can stand at the end'

run_nbdctl set-resync none
is "$out$err" '' 'a command that returns nothing prints nothing'
run_nbdctl query-resync
is "$out" none 'an empty list is "none"'

timeout 30 "$nbdctl" "$socket" query-status > /dev/full 2> "$tmpdir/err"
is $? 1 'output that cannot be written is a failure'
done_testing
