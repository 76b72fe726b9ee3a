# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# For the tests of the quorum (test-quorum-*.sh):
#
#     . "${0%/*}/quorum-functions.sh"
#     three_images 1M
#     start_quorum q "$tmpdir/1.raw" "$tmpdir/2.raw" "$tmpdir/3.raw" quorum-threshold=2
#     watch_events q
#     ok "..." qemu_io q -c 'read 0 64k'
#     is "$(events)" "BAD children.1 read 0+128" "one report"
#     does "..." x-blockdev-change parent=quorum child=children.2
#     is "$(child_value children.1 stale-bytes)" 0 "..."
#     done_testing

. "${BASH_SOURCE[0]%/*}/functions.sh"
. "${BASH_SOURCE[0]%/*}/faulty-functions.sh"
. "${BASH_SOURCE[0]%/*}/image-functions.sh"
. "${BASH_SOURCE[0]%/*}/session-functions.sh"

requires nbdkit qemu-io nbdinfo perl

# ---- servers -----------------------------------------------------------------

# The module form: plugin, or filter (then the first child must be a path; it is
# served by nbdkit's file plugin below).
quorum_form=${quorum_form:-plugin}

# Arguments for nbdkit itself, such as -r.
nbdkit_options=()

# start_quorum NAME CHILD|KEY=VALUE...: a quorum with the control socket
# $(control_of NAME).
start_quorum()
{
    try_quorum "$@" && return
    diag "$(cat "$tmpdir/$1.log")"
    bail_out "the quorum $1 did not start"
}

# try_quorum NAME ...: the same, but not coming up is only a failure.  What was
# said is in $tmpdir/NAME.log.
try_quorum()
{
    local name=$1 argument below=() children=() parameters=()
    shift
    for argument; do
        if [[ $argument =~ ^quorum-[a-zA-Z0-9_.-]+= ]]; then
            parameters+=("$argument")
        elif [ "$quorum_form" = filter ] && [ ${#below[@]} -eq 0 ]; then
            below=(file "$argument")
        else
            children+=("quorum-child=$argument")
        fi
    done
    if [ "$quorum_form" = filter ]; then
        set -- --filter="$quorum_filter" "${below[@]}"
    else
        set -- "$quorum_plugin"
    fi
    # What is remembered is for the tests of that.
    [[ " ${parameters[*]-} " == *" quorum-memory="* ]] || parameters+=(quorum-memory=none)
    _watched=$name
    try_nbdkit "$name" ${nbdkit_options[@]+"${nbdkit_options[@]}"} "$@" \
        quorum-control="$(control_of "$name")" ${children[@]+"${children[@]}"} \
        ${parameters[@]+"${parameters[@]}"}
}

# refuses_to_start NAME REGEX ARGUMENT...: the quorum does not come up with these
# parameters, and says something that matches.
refuses_to_start()
{
    local name=$1 regex=$2
    shift 2
    rm -f "$tmpdir/refused.log"
    if try_quorum refused "$@"; then
        stop_nbdkit refused
        fail "$name" "it started"
    else
        like "$(cat "$tmpdir/refused.log")" "$regex" "$name"
        rm -f "$tmpdir/refused.log"
    fi
}

# ---- images ------------------------------------------------------------------

# three_images SIZE [BYTE]: 1.raw, 2.raw and 3.raw in $tmpdir.
three_images()
{
    local i
    for i in 1 2 3; do pattern_image "$tmpdir/$i.raw" "$1" "${2:-0}"; done
}

# ---- the control socket ------------------------------------------------------

# child_value CHILD KEY: of query-children; CHILD is children.N or a node name,
# KEY may be counters/read-errors.
child_value()
{
    control query-children
    perl -MJSON::PP -e '
        my ($at) = grep { $_->{child} eq $ARGV[1] || $_->{"node-name"} eq $ARGV[1] }
            @{decode_json($ARGV[0])->{return}};
        $at = $at->{$_} for split m{/}, $ARGV[2];
        print $at // "";' "$answer" "$1" "$2"
}
child_value_is() { [ "$(child_value "$1" "$2")" = "$3" ]; }

# children: their names and node names in the vote's order, on one line, as
# "children.0=a children.1=b".
children()
{
    control query-children
    perl -MJSON::PP -e 'print join " ", map { "$_->{child}=$_->{q{node-name}}" }
        @{decode_json($ARGV[0])->{return}}' "$answer"
}
