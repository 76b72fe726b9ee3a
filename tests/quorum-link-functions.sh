# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# For the tests in which all connections are lost at once
# (test-quorum-all-links-*.sh): between the quorum and each server is a switch.
#
#     . "${0%/*}/quorum-link-functions.sh"
#     serve_image one "$tmpdir/1.raw"
#     switches_on one
#     start_quorum q "$(switched one)" ...
#     write_unflushed q 'write -P 0x12 8k 4k'
#     switches_off one
#     switches_on one

. "${BASH_SOURCE[0]%/*}/quorum-fault-functions.sh"
requires socat

declare -A _switch_pid

# switched SERVER: its URI behind its switch.
switched() { echo "nbd+unix:///?socket=$tmpdir/$1.switch"; }

# switches_on SERVER...
switches_on()
{
    local name
    for name; do
        rm -f "$tmpdir/$name.switch"
        # Its children are in a process group of their own, to be ended with it.
        setsid socat "UNIX-LISTEN:$tmpdir/$name.switch,fork" \
            "UNIX-CONNECT:$tmpdir/$name.sock" 2> /dev/null &
        _switch_pid[$name]=$!
        at_exit_kill $!
        wait_for 10 test -S "$tmpdir/$name.switch" || bail_out "no switch for $name"
    done
}

# switches_off SERVER...: all connections end; whoever connects is refused.
switches_off()
{
    local name
    for name; do kill -KILL -- "-${_switch_pid[$name]}"; done
    for name; do wait "${_switch_pid[$name]}" 2> /dev/null; done
}

# write_unflushed NAME COMMAND...: as qemu-io's; nobody flushes before stop_writing.
write_unflushed()
{
    local name=$1 command arguments=()
    shift
    for command; do arguments+=(-c "$command"); done
    timeout 120 stdbuf -oL qemu-io -f raw -t writeback "${arguments[@]}" -c 'sleep 100000' \
        "$(uri_of "$name")" > "$tmpdir/writer.out" 2>&1 &
    _writer=$!
    at_exit_kill $_writer
    wait_for 20 _has_written $#
}
_has_written() { [ "$(grep -c '^wrote' "$tmpdir/writer.out")" -ge "$1" ]; }

# stop_writing: without a flush.
stop_writing()
{
    kill -KILL "$_writer" 2> /dev/null
    wait "$_writer" 2> /dev/null
}
