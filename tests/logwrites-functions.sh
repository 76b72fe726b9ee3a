# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2154
#
# For the tests of the logwrites filter (test-logwrites-*.sh):
#
#     . "${0%/*}/logwrites-functions.sh"
#     empty_image "$tmpdir/disk.img" 1M
#     start_logwrites l logwrites-sector-size=4096
#     ok "..." requests l 'write -P 0x41 0 4k' flush
#     stop_nbdkit l
#     is "$(entries)" "0+8 NONE
#     0+0 FLUSH" "..."
#     is_whole "..."
#     done_testing
#
# The device is $tmpdir/disk.img, its log $tmpdir/disk.logwrites.

. "${BASH_SOURCE[0]%/*}/functions.sh"

requires nbdkit qemu-io nbdinfo

# What is below the filter, the log, and arguments for nbdkit itself.
below=(file "$tmpdir/disk.img")
log=$tmpdir/disk.logwrites
nbdkit_options=()

# start_logwrites NAME PARAMETER...: the control socket is $(control_of NAME).
# Before the first one, the content of the device is kept, for is_whole.
start_logwrites()
{
    try_logwrites "$@" && return
    diag "$(cat "$tmpdir/$1.log")"
    bail_out "nbdkit $1 did not start"
}

# try_logwrites NAME ...: the same, but not coming up is only a failure.
try_logwrites()
{
    local name=$1
    shift
    if [ -e "$tmpdir/disk.img" ] && [ ! -e "$tmpdir/before.img" ]; then
        cp --sparse=always "$tmpdir/disk.img" "$tmpdir/before.img"
    fi
    # The pidfile comes before the log is begun; an answer comes after.
    try_nbdkit "$name" ${nbdkit_options[@]+"${nbdkit_options[@]}"} \
        --filter="$logwrites_filter" "${below[@]}" logwrites-log="$log" \
        logwrites-control="$(control_of "$name")" "$@" &&
        timeout 20 nbdinfo --size "$(uri_of "$name")" > /dev/null
}

control_of() { echo "$tmpdir/$1.control"; }

# export_uri NAME EXPORT
export_uri() { echo "nbd+unix:///$2?socket=$tmpdir/$1.sock"; }

# requests NAME COMMAND...: qemu-io's commands, on one connection.  All of them
# must succeed.
requests()
{
    local name=$1 command arguments=()
    shift
    for command; do arguments+=(-c "$command"); done
    qemu_io "$name" -t writeback -d unmap "${arguments[@]}"
}

# entries [OPTION...]: those of the log but for the filter's own marks at both
# ends, without numbers and positions.
entries()
{
    "$clients/logdump" "$@" "$log" | cut -d' ' -f3- |
        grep -v -E '^0\+0 MARK logwrites-(start|end)( |$)'
}

# last_entry: without number and position.
last_entry() { "$clients/logdump" "$log" | tail -n 1 | cut -d' ' -f3-; }

# is_whole NAME: a full replay onto what the device was equals the device.
is_whole()
{
    cp --sparse=always "$tmpdir/before.img" "$tmpdir/replay.img"
    if "$clients/logdump" --replay "$tmpdir/replay.img" "$log" > "$tmpdir/.replay" 2>&1 &&
        cmp "$tmpdir/replay.img" "$tmpdir/disk.img" >> "$tmpdir/.replay" 2>&1; then
        pass "$1"
    else
        fail "$1" "$(cat "$tmpdir/.replay")" "$("$clients/logdump" --ext "$log" | tail -n 40)"
    fi
}

# query NAME KEY: of query-logwrites.
query()
{
    timeout 20 "$nbdctl" "$(control_of "$1")" query-logwrites --json |
        perl -MJSON::PP -e 'my $v = decode_json(join "", <STDIN>)->{$ARGV[0]};
            print JSON::PP::is_bool($v) ? ($v ? "true" : "false") : $v // ""' "$2"
}

# mark NAME TEXT: by the control socket.
mark() { timeout 20 "$nbdctl" "$(control_of "$1")" mark name="$2"; }

# refuses_to_start NAME REGEX PARAMETER...
refuses_to_start()
{
    local name=$1 regex=$2
    shift 2
    rm -f "$tmpdir/refused.log"
    if try_logwrites refused "$@"; then
        stop_nbdkit refused
        fail "$name" "it started"
    else
        like "$(cat "$tmpdir/refused.log")" "$regex" "$name"
        rm -f "$tmpdir/refused.log"
    fi
}
