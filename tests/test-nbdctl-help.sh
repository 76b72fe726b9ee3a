#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# nbdctl help: what there is on a page, one command in full, and what a
# misspelt word may have meant.
. "${0%/*}/functions.sh"
. "${0%/*}/control-functions.sh"
start_demo

run_nbdctl help
is "$status" 0 'help succeeds'
like "$out" 'child-remove CHILD +Refuse to remove a child' 'help says what commands do'
ok 'help fits a page' test "$(wc -l <<< "$out")" -lt 40
like "$out" "as QEMU has them:
  blockdev-add, blockdev-snapshot-internal-sync, blockdev-snapshot-sync,
  x-blockdev-change
" "QEMU's commands have a section of their own"
like "$out" 'help \[COMMAND\], watch, progress, wait-resync' 'so have those of nbdctl'

run_nbdctl help echo
like "$out" '^echo text=string \[second=string\] \[count=integer\]' 'help COMMAND lists arguments'
like "$out" '
    Return the arguments
      text    a text
      second  another text
' 'help COMMAND explains them'
fails 'help COMMAND explains nothing else' grep -q Refuse "$tmpdir/out"
run_nbdctl help blockdev-add
is "$out" "blockdev-add
    As in QEMU" 'help COMMAND knows those of QEMU'
run_nbdctl help watch
like "$out" 'watch .*--count N.*
    print events' 'help COMMAND knows those of nbdctl'
run_nbdctl help echo --json
is "$(perl -MJSON::PP -0777 -ne 'print decode_json($_)->{name}' <<< "$out")" echo \
    'help COMMAND --json: the declaration'
run_nbdctl help ecko
is "$status: $err" "2: nbdctl: help: no command 'ecko' (did you mean 'echo'?); \
'nbdctl SOCKET help' lists the commands" 'help of a command that is not there'
run_nbdctl help echo sleep
is "$status" 2 'help of two commands: wrong usage'

lists="; 'nbdctl SOCKET help' lists the commands"
run_nbdctl query-statis
is "$status: $err" "1: nbdctl: The command query-statis has not been found \
(did you mean 'query-status'?)$lists" 'a misspelt command: what is near'
run_nbdctl wacth --count 1
is "$status: $err" "1: nbdctl: The command wacth has not been found (did you mean 'watch'?)$lists" \
    'near is also what nbdctl does itself'
run_nbdctl query-statis x=1
like "$err" "did you mean 'query-status'" 'with arguments, too'
run_nbdctl child-remove x
is "$err" "nbdctl: Node 'q' does not have child 'x'" 'a command that is refused gets no such hint'

run_nbdctl echo secnod=1 a
is "$status: $err" "2: nbdctl: echo: no argument 'secnod' (did you mean 'second'?); its arguments \
are: text, second, count, ratio, yes, value ('nbdctl SOCKET help echo' explains them)" \
    'a misspelt argument: what is near'

timeout 30 "$nbdctl" help > "$tmpdir/out" 2> "$tmpdir/err"
is $? 0 'help without a socket'
ok 'it fits a page, too' test "$(wc -l < "$tmpdir/out")" -lt 40
ok 'it says how to go on' grep -q 'help .*list the server' "$tmpdir/out"
done_testing
