# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# For the tests in which servers freeze, die and come back, and clients work
# meanwhile; sourced by the *-functions.sh of a module.

# With NBDRES_LONG=1 the loops (test-quorum-loop-*.sh) go round 50 times.
rounds() { if [ "${NBDRES_LONG:-0}" = 1 ]; then echo 50; else echo "$1"; fi; }

# A seed for what is random; say SEED=N to repeat a run.
SEED=${SEED:-$RANDOM}

# serve_image NAME IMAGE [FILTER-OR-KEY=VALUE...]: a server of a file.
serve_image()
{
    local name=$1 image=$2
    shift 2
    start_nbdkit "$name" "$@" file "$image"
}

# restart_image NAME IMAGE ...: the same after it was killed, at the same address.
restart_image() { serve_image "$@"; }

# stress NAME [OPTION...]: overlapping requests on the server NAME; what it saw
# must be what one disk could have returned.
stress()
{
    local name=$1
    shift
    timeout 300 "$clients/stress" --seed="$SEED" "$@" "$(uri_of "$name")"
}

# stress_begins NAME [OPTION...]: the same in the background, stress_ends TEXT
# waits for it and is a test.
stress_begins()
{
    stress "$@" > "$tmpdir/stress.out" 2>&1 &
    _stress=$!
}
stress_ends()
{
    local status
    wait "$_stress"
    status=$?
    if [ $status -eq 0 ]; then
        pass "$1"
        diag "$(cat "$tmpdir/stress.out")"
    else
        fail "$1" "status $status" "$(head -n 60 "$tmpdir/stress.out")"
    fi
}
stress_runs() { is_running "$_stress"; }

# milliseconds COMMAND...: runs it; how long it took is in $elapsed.  By the
# kernel's uptime, to 10 ms: the time of day may be set meanwhile.
milliseconds()
{
    local begin end status
    read -r begin _ < /proc/uptime
    "$@"
    status=$?
    read -r end _ < /proc/uptime
    elapsed=$(((${end/./} - ${begin/./}) * 10))
    return $status
}

# within MILLISECONDS NAME COMMAND...: the command succeeds in that time.
within()
{
    local limit=$1 name=$2 status
    shift 2
    milliseconds "$@" > "$tmpdir/.within.log" 2>&1
    status=$?
    if [ $status -eq 0 ] && [ $elapsed -le "$limit" ]; then
        pass "$name ($elapsed ms)"
    else
        fail "$name" "status $status after $elapsed ms, $limit ms are allowed: $*" \
            "$(cat "$tmpdir/.within.log")"
    fi
}

# fails_within MILLISECONDS NAME COMMAND...: it fails in that time, with EIO.
# (qemu-io does not say why a flush failed.)
fails_within()
{
    local limit=$1 name=$2 status
    shift 2
    milliseconds "$@" > "$tmpdir/.within.log" 2>&1
    status=$?
    if [ $status -gt 0 ] && [ $status -lt 124 ] && [ $elapsed -le "$limit" ] &&
        { ! grep -q . "$tmpdir/.within.log" || grep -q 'Input/output error' "$tmpdir/.within.log"; }
    then
        pass "$name ($elapsed ms)"
    else
        fail "$name" "status $status after $elapsed ms, $limit ms are allowed: $*" \
            "$(cat "$tmpdir/.within.log")"
    fi
}
