# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# What every shell test starts with:
#
#     . "${0%/*}/functions.sh"
#     requires nbdkit qemu-io
#     start_nbdkit disk --filter="$quorum_filter" memory 1M ...
#     ok "the export can be read" qemu_io disk -c 'read 0 1M'
#     done_testing
#
# A test prints TAP.  What it started is ended and $tmpdir is removed when it
# exits, however it exits.  There are no fixed sleeps: wait_for a condition.
#
# Never start a server inside $(...) or ( ... ): on Debian 12 nbdkit dies with
# the process that started it.

# Once is enough: the *-functions.sh of two modules may be used together.
[ -z "${_harness:-}" ] || return 0
_harness=loaded

set -u
set -o pipefail

# ---- the build ---------------------------------------------------------------

_find_build()
{
    local here dir
    here=$(cd "${BASH_SOURCE[0]%/*}" && pwd) || exit 1
    for dir in "${RESILIENCE_BUILDDIR:-}" . .. "$here/../build" "$here/.."; do
        if [ -n "$dir" ] && [ -e "$dir/tests/env.sh" ]; then
            RESILIENCE_BUILDDIR=$(cd "$dir" && pwd)
            export RESILIENCE_BUILDDIR
            return
        fi
    done
    echo "Bail out! no build directory found; say RESILIENCE_BUILDDIR=DIR"
    exit 1
}
_find_build
# shellcheck disable=SC1091
. "$RESILIENCE_BUILDDIR/tests/env.sh"
PATH=$RESILIENCE_BUILDDIR/tests/bin:${PATH//"$RESILIENCE_BUILDDIR/tests/bin:"/}

# The modules and programs under test.
# shellcheck disable=SC2034
{
    blkverify_filter=$abs_top_builddir/filters/blkverify/.libs/nbdkit-blkverify-filter.so
    cor_filter=$abs_top_builddir/filters/copy-on-read/.libs/nbdkit-copy-on-read-filter.so
    cor_plugin=$abs_top_builddir/plugins/copy-on-read/.libs/nbdkit-copy-on-read-plugin.so
    logreplay_plugin=$abs_top_builddir/plugins/logreplay/.libs/nbdkit-logreplay-plugin.so
    logwrites_filter=$abs_top_builddir/filters/logwrites/.libs/nbdkit-logwrites-filter.so
    quorum_filter=$abs_top_builddir/filters/quorum/.libs/nbdkit-quorum-filter.so
    replication_filter=$abs_top_builddir/filters/replication/.libs/nbdkit-replication-filter.so
    quorum_plugin=$abs_top_builddir/plugins/quorum/.libs/nbdkit-quorum-plugin.so
    nbdcrash=$abs_top_builddir/tools/nbdcrash/nbdcrash
    nbdctl=$abs_top_builddir/tools/nbdctl/nbdctl
    clients=$abs_top_builddir/tests/clients
    data=$abs_top_srcdir/tests/data
}

tmpdir=$(mktemp -d "${TMPDIR:-/tmp}/nbdres.XXXXXX") || exit 1
export tmpdir

# ---- TAP ---------------------------------------------------------------------

_count=0
_failed=0
_planned=
_done=

# plan N: announces N tests; otherwise end with done_testing.
plan() { _planned=$1; echo "1..$1"; }

# diag TEXT: something for the person who reads a failure.
diag() { printf '%s\n' "$*" | sed 's/^/# /'; }
note() { diag "$@"; }

# pass NAME, fail NAME [DETAIL...]
pass() { _count=$((_count + 1)); printf 'ok %d - %s\n' "$_count" "$1"; }
fail()
{
    _count=$((_count + 1))
    _failed=$((_failed + 1))
    printf 'not ok %d - %s\n' "$_count" "$1"
    shift
    local detail frame=1
    for detail; do diag "$detail"; done
    # Where the caller of ok, is and so on is, or the test itself that calls this.
    [ ${#FUNCNAME[@]} -gt 2 ] || frame=0
    diag "at ${BASH_SOURCE[frame + 1]} line ${BASH_LINENO[frame]}"
    return 1
}

# ok NAME COMMAND...: the command succeeds.  Its output is shown if it does not.
ok()
{
    local name=$1 output status
    shift
    output=$tmpdir/.ok.log
    "$@" > "$output" 2>&1
    status=$?
    if [ $status -eq 0 ]; then
        pass "$name"
    else
        fail "$name" "status $status of: $*" "$(cat "$output")"
    fi
}

# fails NAME COMMAND...: the command ends with an error of its own; being killed
# or running out of time is not one.  What it said is in $tmpdir/.ok.log, see
# fails_like.
fails()
{
    local name=$1 status
    shift
    "$@" > "$tmpdir/.ok.log" 2>&1
    status=$?
    if [ $status -gt 0 ] && [ $status -lt 124 ]; then
        pass "$name"
    else
        fail "$name" "status $status of: $*" "$(cat "$tmpdir/.ok.log")"
    fi
}

# fails_like NAME REGEX COMMAND...: ... and says something that matches.
fails_like()
{
    local name=$1 regex=$2 status text
    shift 2
    "$@" > "$tmpdir/.ok.log" 2>&1
    status=$?
    text=$(cat "$tmpdir/.ok.log")
    if [ $status -gt 0 ] && [ $status -lt 124 ] && [[ $text =~ $regex ]]; then
        pass "$name"
    else
        fail "$name" "status $status of: $*" "expected a match of: $regex" "$text"
    fi
}

# is GOT EXPECTED NAME, isnt GOT UNEXPECTED NAME
is()
{
    if [ "$1" = "$2" ]; then pass "$3"; else fail "$3" "     got: $1" "expected: $2"; fi
}
isnt()
{
    if [ "$1" != "$2" ]; then pass "$3"; else fail "$3" "got what it must not be: $1"; fi
}

# like GOT REGEX NAME, unlike GOT REGEX NAME (bash's extended expressions)
like()
{
    if [[ $1 =~ $2 ]]; then pass "$3"; else fail "$3" "     got: $1" "no match: $2"; fi
}
unlike()
{
    if [[ $1 =~ $2 ]]; then fail "$3" "      got: $1" "a match of: $2"; else pass "$3"; fi
}

# same_content FILE FILE NAME
same_content() { ok "$3" cmp "$1" "$2"; }

# skip NAME REASON: one test that cannot be done here.
skip() { _count=$((_count + 1)); printf 'ok %d - %s # SKIP %s\n' "$_count" "$1" "$2"; }

# skip_all REASON: this script cannot be run here.  Only before the first test.
skip_all()
{
    echo "1..0 # SKIP $*"
    _planned=0
    exit 0
}

# bail_out REASON: it makes no sense to go on.
bail_out()
{
    echo "Bail out! $*"
    exit 1
}

# A script that names a program that configure has left out is skipped.
_skip_what_is_left_out()
{
    local words=() files
    [ "$have_tools" = yes ] || words+=('\$nbdctl' '\$nbdcrash')
    [ "$have_cli11" = yes ] || words+=('\$clients/(flushed|logdump|stress)')
    [ ${#words[@]} -gt 0 ] || return 0
    mapfile -t files < <(grep -o -E '[a-z-]+-functions\.sh' "$0" | sed "s,^,${0%/*}/,")
    if grep -q -E "$(IFS='|'; echo "${words[*]}")" "$0" "${files[@]}"; then
        skip_all "a program that it uses has not been built"
    fi
}

done_testing()
{
    _done=yes
    [ -n "$_planned" ] || echo "1..$_count"
}

# ---- what a test needs -------------------------------------------------------

# requires PROGRAM...: skips the script if one is missing.
requires()
{
    local program
    for program; do
        command -v "$program" > /dev/null 2>&1 || skip_all "no $program here"
        if [ "$program" = nbdkit ] && [ "$nbdkit_program" = no ]; then
            skip_all "no nbdkit here"
        fi
    done
}

requires_root() { [ "$(id -u)" -eq 0 ] || skip_all "not root"; }

# requires_command TEXT COMMAND...: skips unless the command succeeds.
requires_command()
{
    local text=$1
    shift
    "$@" > /dev/null 2>&1 || skip_all "$text"
}

# requires_nbdkit_plugin NAME, requires_nbdkit_filter NAME
requires_nbdkit_plugin() { requires_command "nbdkit has no plugin $1" nbdkit "$1" --version; }
requires_nbdkit_filter()
{
    requires_command "nbdkit has no filter $1" nbdkit --filter="$1" null --version
}

# Sanitizers make things slow, and some things impossible.
requires_no_sanitizers() { [ "$sanitizers" = no ] || skip_all "sanitizers are on"; }

# with_sanitizers: for a single test in a script.
with_sanitizers() { [ "$sanitizers" != no ]; }

# ---- cleaning up -------------------------------------------------------------

_cleanups=()
_pids=()

# cleanup_fn COMMAND...: run at exit, the last one first, before processes are
# ended and $tmpdir is removed.
cleanup_fn()
{
    local command
    printf -v command '%q ' "$@"
    _cleanups=("$command" ${_cleanups[@]+"${_cleanups[@]}"})
}

# at_exit_kill PID...: ends a process, even a frozen one, when the test exits; the
# last one first, because it may be a client of the others, and nbdkit waits for
# its clients to go.
at_exit_kill() { _pids=("$@" ${_pids[@]+"${_pids[@]}"}); }

# is_gone PID: there is no such process, or nothing but a zombie is left of it.
is_gone()
{
    local state
    state=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2> /dev/null)
    [ -z "$state" ] || [ "$state" = Z ] || [ "$state" = X ]
}
is_running() { ! is_gone "$1"; }

# end_process PID [SECONDS]: SIGTERM, and SIGKILL if it takes too long.
end_process()
{
    local pid=$1
    is_gone "$pid" && return 0
    kill -CONT "$pid" 2> /dev/null
    kill -TERM "$pid" 2> /dev/null
    wait_for "${2:-5}" is_gone "$pid" && return 0
    kill -KILL "$pid" 2> /dev/null
    wait_for 5 is_gone "$pid"
    return 1
}

# A report of a sanitizer in the log of a server is a failure of the test, even
# if nothing else went wrong.
_sanitizer_reports()
{
    grep -l -E 'ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|: runtime error: ' \
        "$tmpdir"/*.log 2> /dev/null
}

_at_exit()
{
    local status=$? command pid log
    trap - EXIT
    trap '' INT TERM HUP
    for command in ${_cleanups[@]+"${_cleanups[@]}"}; do
        eval "$command" > /dev/null 2>&1
    done
    for pid in ${_pids[@]+"${_pids[@]}"} $(jobs -p); do
        end_process "$pid"
    done 2> /dev/null
    for log in $(_sanitizer_reports); do
        diag "a sanitizer has something to say in ${log##*/}:"
        diag "$(cat "$log")"
        status=1
    done
    if [ $status -ne 0 ] || [ $_failed -ne 0 ]; then
        for log in "$tmpdir"/*.log; do
            [ -s "$log" ] || continue
            diag "${log##*/}:"
            diag "$(tail -n 100 "$log")"
        done
        [ $status -ne 0 ] || status=1
    fi
    if [ $status -eq 0 ] && [ -z "$_done" ] && [ "$_planned" != "$_count" ]; then
        diag "the script ended before done_testing"
        status=1
    fi
    rm -rf "$tmpdir"
    exit $status
}
trap _at_exit EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
trap 'exit 129' HUP
_skip_what_is_left_out

# Shells that nbdkit's script plugins start inherit the sanitizers' runtimes, and
# the thread sanitizer's does not live through that.
scripts_work() { [[ $sanitizer_preload != *libtsan* ]]; }

# ---- waiting -----------------------------------------------------------------

# wait_for SECONDS COMMAND...: until the command succeeds, looking every 50 ms.
wait_for()
{
    local end
    end=$(($(date +%s%N) + $1 * 1000000000))
    shift
    until "$@" > /dev/null 2>&1; do
        [ "$(date +%s%N)" -lt "$end" ] || return 1
        sleep 0.05
    done
}

# freeze PID: SIGSTOP, and waits until every thread of it has stopped.
freeze()
{
    at_exit_kill "$1"
    kill -STOP "$1" && wait_for 5 _is_stopped "$1"
}
_is_stopped() { ! grep -h '^State:' "/proc/$1"/task/*/status | grep -q -v T; }

# thaw PID
thaw() { kill -CONT "$1"; }

# ---- servers and images ------------------------------------------------------

declare -A _server_pid

# start_nbdkit NAME ARGUMENT...
# Runs nbdkit in the foreground of its own process, on the socket
# $tmpdir/NAME.sock, with its messages in $tmpdir/NAME.log.  Returns when it
# serves; ends the test if it does not come up.  pid_of NAME is its process,
# uri_of NAME its address.  With nbdkit_command=$nbdkit_program before it, nbdkit
# runs without the sanitizers' runtimes: for servers that load no module of ours.
start_nbdkit()
{
    try_nbdkit "$@" && return
    diag "$(cat "$tmpdir/$1.log")"
    bail_out "nbdkit $1 did not start"
}

# try_nbdkit NAME ARGUMENT...: the same, but a server that does not come up is
# only a failure of this function.
try_nbdkit()
{
    local name=$1 pid
    shift
    rm -f "$tmpdir/$name.sock" "$tmpdir/$name.pid"
    "${nbdkit_command:-nbdkit}" -f -U "$tmpdir/$name.sock" -P "$tmpdir/$name.pid" "$@" \
        >> "$tmpdir/$name.log" 2>&1 < /dev/null &
    pid=$!
    _server_pid[$name]=$pid
    at_exit_kill "$pid"
    wait_for 30 _is_up_or_gone "$pid" "$tmpdir/$name.pid"
    [ -s "$tmpdir/$name.pid" ] && is_running "$pid"
}
_is_up_or_gone() { [ -s "$2" ] || is_gone "$1"; }

pid_of() { echo "${_server_pid[$1]}"; }
uri_of() { echo "nbd+unix:///?socket=$tmpdir/$1.sock"; }

# stop_nbdkit NAME [SECONDS]: SIGTERM, then waits.  Returns its exit status; 137
# means that it had to be killed because the time (10 s) was over.
stop_nbdkit()
{
    local pid=${_server_pid[$1]}
    kill -TERM "$pid" 2> /dev/null
    if ! wait_for "${2:-10}" is_gone "$pid"; then
        diag "nbdkit $1 did not end by itself"
        kill -KILL "$pid" 2> /dev/null
    fi
    wait "$pid" 2> /dev/null
}

# kill_nbdkit NAME: a crash.
kill_nbdkit()
{
    local pid=${_server_pid[$1]}
    kill -KILL "$pid"
    wait "$pid" 2> /dev/null
    wait_for 5 is_gone "$pid"
}

# start_qemu_nbd NAME ARGUMENT...: another implementation as a child.
start_qemu_nbd()
{
    local name=$1 pid
    shift
    rm -f "$tmpdir/$name.sock"
    qemu-nbd --persistent --shared=16 --socket="$tmpdir/$name.sock" "$@" \
        >> "$tmpdir/$name.log" 2>&1 < /dev/null &
    pid=$!
    _server_pid[$name]=$pid
    at_exit_kill "$pid"
    wait_for 30 timeout 5 nbdinfo --size "$(uri_of "$name")" && return
    diag "$(cat "$tmpdir/$name.log")"
    bail_out "qemu-nbd $name did not start"
}

# qemu_io NAME ARGUMENT...: qemu-io on the server NAME, with a limit of 60 s.
# qemu-io ends with 0 even when a read does not match its pattern; here that is
# a failure.
qemu_io()
{
    local name=$1 output status
    shift
    output=$(timeout 60 qemu-io -f raw "$@" "$(uri_of "$name")" 2>&1)
    status=$?
    printf '%s\n' "$output"
    [ $status -eq 0 ] && ! [[ $output =~ 'verification failed'|'failed:' ]]
}

# random_image FILE SIZE SEED: content that is the same for the same seed.
# SIZE in bytes or as 64K, 10M, 1G.
random_image()
{
    local size key
    size=$(numfmt --from=iec "$2")
    key=$(printf '%032x' "$3")
    head -c "$size" /dev/zero |
        openssl enc -aes-128-ctr -nosalt -K "$key" -iv 00000000000000000000000000000000 > "$1"
}

# empty_image FILE SIZE
empty_image() { rm -f "$1"; truncate -s "$2" "$1"; }

# ---- control sockets ---------------------------------------------------------

# qmp SOCKET COMMAND...: each COMMAND is a JSON object, or a name alone.  Prints
# the answers, one per line.  Fails if one of them is an error.
qmp() { timeout 30 perl "$abs_top_srcdir/tests/qmp.pl" "$@"; }

# qmp_events SOCKET SECONDS COUNT: prints events until there are COUNT of them.
qmp_events() { timeout $(($2 + 5)) perl "$abs_top_srcdir/tests/qmp.pl" --events="$3" --timeout="$2" "$1"; }
