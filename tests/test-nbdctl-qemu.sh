#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The same protocol as QEMU's: nbdctl talks to QEMU, and a plain QMP client, fed
# as QEMU's users feed theirs, talks to us.
. "${0%/*}/functions.sh"
. "${0%/*}/control-functions.sh"
requires qemu-storage-daemon socat

qemu-storage-daemon --chardev "socket,path=$socket,server=on,wait=off,id=m" --monitor chardev=m \
    > "$tmpdir/qemu.log" 2>&1 &
qemu=$!
at_exit_kill $qemu
wait_for 10 test -S "$socket" || bail_out 'qemu-storage-daemon did not start'
run_nbdctl query-version
like "$out" 'qemu:.*major: ' 'nbdctl asks QEMU for its version'
run_nbdctl object-add qom-type=iothread id=io1
is "$status" 0 'nbdctl gives QEMU arguments'
run_nbdctl object-del id=zz
is "$status: $err" "1: nbdctl: object 'zz' not found" 'nbdctl shows QEMU'\''s errors'
run_nbdctl quit
wait_for 10 is_gone $qemu
rm -f "$socket"

start_demo
# As typed by hand: single quotes, several lines, several commands in one.
answers=$(socat -t 5 - "UNIX-CONNECT:$socket" << 'X'
{ 'execute': 'qmp_capabilities' }
{ 'execute': 'echo',
  'arguments': { 'text': 'it''s' } }
{ 'execute': 'echo', 'arguments': { 'text': 'it\'s' }, 'id': 1 } { 'execute': 'query-version' }
X
)
answers=${answers//$'\r'/}
like "$answers" '^\{"QMP":\{"version":\{"qemu":\{"major":' 'a greeting as QEMU'\''s'
like "$answers" '"desc":"Invalid JSON syntax"' 'a mistake gets an error'
like "$answers" '\{"return":\{"text":"it'\''s"\},"id":1\}' 'single quotes are understood'
ok 'another QMP client' qmp "$socket" query-version '{"execute":"echo","arguments":{"text":"x"}}'
fails 'which hears of errors' qmp "$socket" nosuch
done_testing
