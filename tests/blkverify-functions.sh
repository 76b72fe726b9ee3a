# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# For the tests of the blkverify filter (test-blkverify-*.sh):
#
#     . "${0%/*}/blkverify-functions.sh"
#     two_images 1M
#     start_blkverify v blkverify-on-mismatch=report
#     watch_events v
#     ok "..." qemu_io v -c 'read 0 64k'
#     is "$(mismatches)" 0 "no difference was found"
#     done_testing
#
# The device under test is $tmpdir/test.raw, the reference $tmpdir/raw.raw.

. "${BASH_SOURCE[0]%/*}/functions.sh"
. "${BASH_SOURCE[0]%/*}/faulty-functions.sh"
. "${BASH_SOURCE[0]%/*}/image-functions.sh"
. "${BASH_SOURCE[0]%/*}/load-functions.sh"
. "${BASH_SOURCE[0]%/*}/session-functions.sh"

requires nbdkit qemu-io nbdinfo perl

# What is below the filter, and arguments for nbdkit itself.
below=(file "$tmpdir/test.raw")
nbdkit_options=()

# two_images SIZE [BYTE]: test.raw and raw.raw in $tmpdir, equal.
two_images()
{
    pattern_image "$tmpdir/test.raw" "$1" "${2:-0}"
    cp "$tmpdir/test.raw" "$tmpdir/raw.raw"
}

# start_blkverify NAME PARAMETER...: the control socket is $(control_of NAME).
# Without blkverify-raw= the reference is $tmpdir/raw.raw.
start_blkverify()
{
    try_blkverify "$@" && return
    diag "$(cat "$tmpdir/$1.log")"
    bail_out "nbdkit $1 did not start"
}

# try_blkverify NAME ...: the same, but not coming up is only a failure.
try_blkverify()
{
    local name=$1 parameter raw=("blkverify-raw=$tmpdir/raw.raw")
    shift
    for parameter; do
        [[ $parameter = blkverify-raw=* ]] && raw=()
    done
    _watched=$name
    # The pidfile comes before the reference is connected; an answer comes after.
    try_nbdkit "$name" ${nbdkit_options[@]+"${nbdkit_options[@]}"} \
        --filter="$blkverify_filter" "${below[@]}" ${raw[@]+"${raw[@]}"} \
        blkverify-control="$(control_of "$name")" "$@" &&
        timeout 20 nbdinfo --size "$(uri_of "$name")" > /dev/null
}

# refused NAME REGEX PARAMETER...: with these nbdkit ends with status 1 before it
# serves, and says something that matches.
refused()
{
    local name=$1 regex=$2
    shift 2
    rm -f "$tmpdir/refused.log"
    if try_blkverify refused "$@"; then
        stop_nbdkit refused
        fail "$name" "it started: $*"
        return
    fi
    wait "$(pid_of refused)"
    is "$?" 1 "$name: status 1"
    like "$(cat "$tmpdir/refused.log")" "$regex" "$name"
    mv "$tmpdir/refused.log" "$tmpdir/refused.last"
}

# ends NAME TEXT LINE: the server NAME ends with status 1, and this line, all of
# it, is in its log.
ends()
{
    local name=$1 text=$2 line=$3 status
    if ! wait_for 10 is_gone "$(pid_of "$name")"; then
        fail "$text: it ends" "$(cat "$tmpdir/$name.log")"
        return
    fi
    wait "$(pid_of "$name")"
    status=$?
    is "$status" 1 "$text: status 1"
    ok "$text: it says why" grep -x -F -e "$line" "$tmpdir/$name.log"
}

# status PATH: of query-status, as mismatches or reference/state.
status()
{
    control query-status
    value "return/$1"
}
status_is() { [ "$(status "$1")" = "$2" ]; }

# operation OPERATION KEY: as operation read compared.
operation()
{
    control query-status
    perl -MJSON::PP -e '
        my ($row) = grep { $_->{operation} eq $ARGV[1] }
            @{decode_json($ARGV[0])->{return}{operations}};
        print $row->{$ARGV[2]} // "";' "$answer" "$1" "$2"
}

# mismatches: how many there were.
mismatches() { status mismatches; }

# no_false_alarm NAME: nothing differed, and what should be compared was.
no_false_alarm() { is "$(mismatches)" 0 "$1"; }

# reference_is STATE NAME [SECONDS]: present or away, soon.
reference_is()
{
    if wait_for "${3:-20}" status_is reference/state "$1"; then
        pass "$2"
    else
        fail "$2" "$answer"
    fi
}

# images_equal NAME: after the server has ended, or flushed.
images_equal() { same_content "$tmpdir/test.raw" "$tmpdir/raw.raw" "$1"; }
