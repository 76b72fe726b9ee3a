# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2154
#
# For the tests of the logreplay plugin (test-logreplay-*.sh):
#
#     . "${0%/*}/logreplay-functions.sh"
#     take_log synthetic/syn1
#     start_logreplay r
#     fetch r flush:1 "$tmpdir/out.img"
#     same_content ...
#     done_testing
#
# The log is $tmpdir/disk.logwrites, where logwrites-functions.sh records it too.

. "${BASH_SOURCE[0]%/*}/logwrites-functions.sh"

requires nbdcopy

# take_log NAME: a copy of a sample log, in tests/data/logs.
take_log() { rm -f "$log.idx" && cp "$data/logs/$1.log" "$log"; }

# start_logreplay NAME PARAMETER...: serves the log; $nbdkit_options are nbdkit's.
start_logreplay()
{
    local name=$1
    shift
    start_nbdkit "$name" ${nbdkit_options[@]+"${nbdkit_options[@]}"} "$logreplay_plugin" "$log" "$@"
}

# refuses_to_replay NAME REGEX PARAMETER...: it does not even start, and says why.
refuses_to_replay()
{
    local name=$1 regex=$2
    shift 2
    rm -f "$tmpdir/refused.log"
    if try_nbdkit refused "$logreplay_plugin" "$@"; then
        stop_nbdkit refused
        fail "$name" "it started"
    else
        like "$(cat "$tmpdir/refused.log")" "$regex" "$name"
    fi
    rm -f "$tmpdir/refused.log"
}

# state_uri NAME STATE
state_uri()
{
    local state
    state=$(perl -pe 's/([^A-Za-z0-9:=,._+-])/sprintf "%%%02X", ord $1/ge' <<< "$2")
    export_uri "$1" "${state%\%0A}"
}

# fetch NAME STATE FILE: copies a state to a file.
fetch()
{
    rm -f "$3"
    timeout 60 nbdcopy "$(state_uri "$1" "$2")" "$3"
}

# checksum NAME STATE: of its content.
checksum() { timeout 60 nbdcopy "$(state_uri "$1" "$2")" - | sha256sum | cut -d' ' -f1; }

# state_io NAME STATE COMMAND...: qemu-io's commands on one connection.  Unlike
# qemu-io itself it fails when a pattern does not match.
state_io()
{
    local name=$1 state=$2 command arguments=() output
    shift 2
    for command; do arguments+=(-c "$command"); done
    output=$(timeout 60 qemu-io -f raw -t writeback -d unmap "${arguments[@]}" \
        "$(state_uri "$name" "$state")" 2>&1) || { echo "$output"; return 1; }
    echo "$output"
    ! [[ $output =~ 'verification failed'|'failed:' ]]
}

# replay_to ENTRIES FILE [BASE]: what the device held after so many entries, by
# a program that has no code of ours.  $image_size bytes; over BASE or zeroes.
replay_to()
{
    if [ -n "${3:-}" ]; then
        cp "$3" "$2"
        truncate -s "$image_size" "$2"
    else
        empty_image "$2" "$image_size"
    fi
    "$clients/logdump" --replay "$2" --entries "$1" "$log"
}

# connection_log NAME: what the server has said so far.
connection_log() { cat "$tmpdir/$1.log"; }

# make_log ENTRY...: see make-log.pl.
make_log() { rm -f "$log.idx" && perl "$abs_top_srcdir/tests/make-log.pl" "$log" "$@"; }
