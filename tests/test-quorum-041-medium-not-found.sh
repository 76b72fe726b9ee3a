#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 041, medium not found: a server that is not there cannot be opened.
. "${0%/*}/quorum-041.sh"

start_041 1M
fails "an NBD server that is not there" control blockdev-add node-name=repair0 \
    spec="nbd+unix:///?socket=$tmpdir/none.sock"
control blockdev-add node-name=repair0 spec="nbd+unix:///?socket=$tmpdir/none.sock"
like "$refusal" "$tmpdir/none.sock.*No such file or directory" "the message says which, and why"
fails "a command that is not there" control blockdev-add node-name=repair0 \
    spec="[ $tmpdir/no-such-command ]"
refuses "there is no such node then" "Node 'repair0' not found" \
    x-blockdev-change parent=quorum0 node=repair0
is "$(children)" "$before" "the children are as before"

done_testing
