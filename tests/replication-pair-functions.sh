# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2154
#
# For the tests with a real primary and a real secondary:
#
#     . "${0%/*}/replication-pair-functions.sh"
#     empty_image "$tmpdir/a.disk" 64M; empty_image "$tmpdir/b.disk" 64M
#     start_secondary b
#     start_primary a b
#     in_sync_comes "..."
#     on a; does "a checkpoint" replication-checkpoint
#
# Both sides have $run/NAME.changes as their bitmap, so that either can be either.

. "${BASH_SOURCE[0]%/*}/replication-functions.sh"
requires fio

# start_primary NAME SECONDARY [PARAMETER...]
start_primary()
{
    try_primary "$@" && return
    diag "$(tail -n 20 "$tmpdir/$1.log")"
    bail_out "the primary $1 did not start"
}
try_primary()
{
    local name=$1 other=$2
    shift 2
    unset "_session_out[$name]"
    try_nbdkit "$name" --filter="$replication_filter" file "$tmpdir/$name.disk" \
        replication-mode=primary replication-secondary="$(export_uri "$other" primary)" \
        replication-bitmap="$run/$name.changes" replication-timeout=3s \
        replication-control="$(control_of "$name")" "$@" &&
        timeout 20 nbdinfo --size "$(uri_of "$name")" > /dev/null
}

# primary_refused NAME REGEX PRIMARY SECONDARY [PARAMETER...]: it does not come
# up, and says something that matches.
primary_refused()
{
    local name=$1 regex=$2
    shift 2
    rm -f "$tmpdir/$1.log"
    if try_primary "$@"; then
        stop_nbdkit "$1"
        fail "$name" "it started"
    else
        like "$(cat "$tmpdir/$1.log")" "$regex" "$name"
    fi
}

# start_standby NAME [PARAMETER...]: a secondary that can become the primary.
start_standby()
{
    unset "_session_out[$1]"
    start_secondary "$1" replication-bitmap="$run/$1.changes" "${@:2}"
}

# on NAME: the commands that follow go to this side.
on()
{
    if [ -n "${_session_out[$1]:-}" ]; then _watched=$1; else watch_events "$1"; fi
}

# phase_comes NAME PHASE, in_sync_comes NAME: of the side that on() named.
phase_comes()
{
    if wait_for 30 replication_value_is phase "$2"; then
        pass "$1"
    else
        fail "$1" "$answer"
    fi
}
in_sync_comes() { phase_comes "$1" in-sync; }

# guest_io NAME COMMAND...: qemu-io's commands on what the primary's guest sees.
guest_io() { view_io "$@"; }

# number NAME KEY OPERATOR NUMBER: of query-replication.
number()
{
    local found
    found=$(replication_value "$2")
    if test "${found:-0}" "$3" "$4"; then pass "$1"; else fail "$1" "$2 is $found"; fi
}

# within MILLISECONDS NAME COMMAND...: succeeds, and in time.
within()
{
    local limit=$1 name=$2 from took
    shift 2
    from=$(date +%s%N)
    if ! "$@" > "$tmpdir/within.out" 2>&1; then
        fail "$name" "$(cat "$tmpdir/within.out")"
        return
    fi
    took=$((($(date +%s%N) - from) / 1000000))
    if [ "$took" -le "$limit" ]; then pass "$name"; else fail "$name" "it took $took ms"; fi
}
