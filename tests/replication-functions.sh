# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2154
#
# For the tests of replication (test-replication-*.sh):
#
#     . "${0%/*}/replication-functions.sh"
#     pattern_image "$tmpdir/s.disk" 64M 0x11
#     start_secondary s
#     watch_events s
#     does "it starts" replication-start
#     ok "..." primary_io s 'write -P 0x22 32M 32M'
#     ok "..." view_io s 'read -P 0x11 32M 32M'
#     state_comes "..." done
#     done_testing
#
# The secondary NAME has the disk $tmpdir/NAME.disk, and NAME.active and
# NAME.hidden in $run ($tmpdir/run, which is made).

. "${BASH_SOURCE[0]%/*}/functions.sh"
. "${BASH_SOURCE[0]%/*}/image-functions.sh"
. "${BASH_SOURCE[0]%/*}/session-functions.sh"

requires nbdkit qemu-io nbdinfo perl

run=$tmpdir/run
mkdir -p "$run"
# Filters between replication and the file plugin, and arguments for nbdkit.
below_filters=()
below_parameters=()
nbdkit_options=()

# With NBDRES_LONG=1 the loops go round 100 times.
rounds() { if [ "${NBDRES_LONG:-0}" = 1 ]; then echo 100; else echo "$1"; fi; }

# start_secondary NAME [PARAMETER...]
start_secondary()
{
    try_secondary "$@" && return
    diag "$(cat "$tmpdir/$1.log")"
    bail_out "the secondary $1 did not start"
}

# try_secondary NAME ...: the same, but not coming up is only a failure.
try_secondary()
{
    local name=$1
    shift
    try_nbdkit "$name" ${nbdkit_options[@]+"${nbdkit_options[@]}"} \
        --filter="$replication_filter" ${below_filters[@]+"${below_filters[@]}"} \
        file "$tmpdir/$name.disk" ${below_parameters[@]+"${below_parameters[@]}"} \
        replication-mode=secondary replication-active="$run/$name.active" \
        replication-hidden="$run/$name.hidden" \
        replication-control="$(control_of "$name")" "$@" &&
        timeout 20 nbdinfo --size "$(uri_of "$name")" > /dev/null
}

# refuses_to_start NAME REGEX SECONDARY [PARAMETER...]: it does not come up, and
# says something that matches.
refuses_to_start()
{
    local name=$1 regex=$2
    shift 2
    rm -f "$tmpdir/$1.log"
    if try_secondary "$@"; then
        stop_nbdkit "$1"
        fail "$name" "it started"
    else
        like "$(cat "$tmpdir/$1.log")" "$regex" "$name"
        rm -f "$tmpdir/$1.log"
    fi
}

# export_uri NAME EXPORT
export_uri() { echo "nbd+unix:///$2?socket=$tmpdir/$1.sock"; }

# view_io NAME COMMAND...: qemu-io's commands on what the secondary sees, on one
# connection; all must succeed, and reads must match their patterns.
view_io() { _io "$(uri_of "$1")" "${@:2}"; }
# primary_io NAME COMMAND...: the same on the export `primary`.
primary_io() { _io "$(export_uri "$1" primary)" "${@:2}"; }
_io()
{
    local uri=$1 command arguments=() output status
    shift
    for command; do arguments+=(-c "$command"); done
    output=$(timeout 120 qemu-io -f raw -t writeback -d unmap "${arguments[@]}" "$uri" 2>&1)
    status=$?
    printf '%s\n' "$output"
    [ $status -eq 0 ] && ! [[ $output =~ 'verification failed'|'failed:' ]]
}

# client SUBCOMMAND NAME ARGUMENT...: replication-client on the socket of NAME.
client() { timeout 120 "$clients/replication-client" "$1" "$tmpdir/$2.sock" "${@:3}"; }

# replication_value KEY: of query-replication, as counters/saved-bytes.
replication_value()
{
    control query-replication && value "return/$1"
}
replication_value_is() { [ "$(replication_value "$1")" = "$2" ]; }

# state_is NAME STATE, state_comes NAME STATE
state_is() { is "$(replication_value state)" "$2" "$1"; }
state_comes()
{
    if wait_for 30 replication_value_is state "$2"; then
        pass "$1"
    else
        fail "$1" "state: $(replication_value state)"
    fi
}

# error_is NAME TEXT: what query-xen-replication-status says; empty: no error.
error_is()
{
    control query-xen-replication-status
    is "$(value return/desc)" "$2" "$1"
}
