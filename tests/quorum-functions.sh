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
    _quorum=$name
    try_nbdkit "$name" ${nbdkit_options[@]+"${nbdkit_options[@]}"} "$@" \
        quorum-control="$(control_of "$name")" ${children[@]+"${children[@]}"} \
        ${parameters[@]+"${parameters[@]}"}
}

control_of() { echo "$tmpdir/$1.control"; }

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

# start_faulty NAME IMAGE: a child, $(uri_of NAME), that fails as set_faults says.
# Without sanitizers, which make a script of three processes per request too slow.
start_faulty()
{
    : > "$tmpdir/$1.faults"
    nbdkit_command=$nbdkit_program IMAGE=$2 FAULTS=$tmpdir/$1.faults \
        start_nbdkit "$1" sh "$abs_top_srcdir/tests/quorum-child.sh"
}

# set_faults NAME [FAULT...]: from now on these, see quorum-child.sh.
set_faults()
{
    local file=$tmpdir/$1.faults
    shift
    if [ $# -eq 0 ]; then
        : > "$file.new"
    else
        printf '%s\n' "$@" > "$file.new"
    fi
    mv "$file.new" "$file"
}

# ---- images ------------------------------------------------------------------

# pattern_image FILE SIZE BYTE: BYTE as 0x41.
pattern_image()
{
    local octal
    octal=$(printf '%03o' "$3")
    head -c "$(numfmt --from=iec "$2")" /dev/zero | tr '\0' "\\$octal" > "$1"
}

# overwrite FILE BYTE OFFSET LENGTH: behind everybody's back, without locks.
overwrite()
{
    local octal offset length
    octal=$(printf '%03o' "$2")
    offset=$(numfmt --from=iec "$3") length=$(numfmt --from=iec "$4")
    head -c "$length" /dev/zero | tr '\0' "\\$octal" |
        dd of="$1" bs=1M iflag=fullblock oflag=seek_bytes seek="$offset" conv=notrunc status=none
}

# three_images SIZE [BYTE]: 1.raw, 2.raw and 3.raw in $tmpdir.
three_images()
{
    local i
    for i in 1 2 3; do pattern_image "$tmpdir/$i.raw" "$1" "${2:-0}"; done
}

# holds FILE BYTE OFFSET LENGTH: whether it does.
holds()
{
    local image=$tmpdir/.holds
    pattern_image "$image" "$4" "$2"
    cmp -s -n "$(stat -c %s "$image")" -i "$(numfmt --from=iec "$3"):0" "$1" "$image"
}

# ---- the control socket ------------------------------------------------------
#
# One client per quorum, which sees every event from watch_events() on.

_quorum=
declare -A _session_in _session_out

# watch_events NAME: connects; what follows is about this quorum.
watch_events()
{
    local name=$1 in out line=
    _quorum=$name
    rm -f "$tmpdir/$name.in" "$tmpdir/$name.out"
    mkfifo "$tmpdir/$name.in" "$tmpdir/$name.out" || bail_out "no fifo"
    : > "$tmpdir/$name.events"
    echo 0 > "$tmpdir/$name.seen"
    perl "$abs_top_srcdir/tests/quorum-session.pl" "$(control_of "$name")" "$tmpdir/$name.events" \
        < "$tmpdir/$name.in" > "$tmpdir/$name.out" 2>> "$tmpdir/$name.session.log" &
    at_exit_kill $!
    exec {in}> "$tmpdir/$name.in" {out}< "$tmpdir/$name.out"
    _session_in[$name]=$in
    _session_out[$name]=$out
    IFS= read -r -t 10 -u "$out" line
    [ "$line" = ready ] || bail_out "no control session with $name: $line"
}

# control COMMAND [KEY=VALUE...]: carries out a command.  VALUE is a string,
# unless it is true, false, a number or an object.  The answer is in $answer;
# fails if that is an error, whose text is then in $refusal.
control()
{
    answer='' refusal=''
    [ -n "${_session_out[$_quorum]:-}" ] || bail_out "watch_events first"
    _command_json "$@" >&"${_session_in[$_quorum]}"
    IFS= read -r -t 30 -u "${_session_out[$_quorum]}" answer || bail_out "no answer to: $*"
    [[ $answer = '{"error":'* ]] || return 0
    refusal=$(perl -MJSON::PP -e 'print decode_json($ARGV[0])->{error}{desc}' "$answer")
    return 1
}
_command_json()
{
    local json="{\"execute\":\"$1\",\"arguments\":{" separator='' pair value
    shift
    for pair; do
        value=${pair#*=}
        [[ $value =~ ^(true|false|[0-9]+|\{.*)$ ]] || value="\"$value\""
        json+="$separator\"${pair%%=*}\":$value"
        separator=,
    done
    printf '%s\n' "$json}}"
}

# does NAME COMMAND [KEY=VALUE...]: the command succeeds.
does()
{
    local name=$1
    shift
    if control "$@"; then pass "$name"; else fail "$name" "refused: $refusal"; fi
}

# refuses NAME TEXT COMMAND [KEY=VALUE...]: the command is refused with exactly
# this text.
refuses()
{
    local name=$1 text=$2
    shift 2
    if control "$@"; then
        fail "$name" "it was carried out: $*" "$answer"
    else
        is "$refusal" "$text" "$name"
    fi
}

# value PATH: something of the last answer, as return/children or return/0/state.
value()
{
    perl -MJSON::PP -e '
        my $at = decode_json($ARGV[0]);
        $at = ref $at eq "ARRAY" ? $at->[$_] : $at->{$_} for split m{/}, $ARGV[1];
        print ref $at ? JSON::PP->new->canonical->encode($at) : $at // "";' "$answer" "$1"
}

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

# events [REGEX]: what has been sent since the last call, one per line as in
# quorum-session.pl: reports and failures only, or what matches.  Nothing that
# was sent before the call is missed: events come before the answer to a command.
events()
{
    local seen
    control query-status
    seen=$(cat "$tmpdir/$_quorum.seen")
    tail -n +$((seen + 1)) "$tmpdir/$_quorum.events" > "$tmpdir/.new-events"
    echo $((seen + $(wc -l < "$tmpdir/.new-events"))) > "$tmpdir/$_quorum.seen"
    grep -E "${1:-^(BAD|FAILURE) }" "$tmpdir/.new-events"
    return 0
}

# lines TEXT...: one per line, to compare events with.
lines() { printf '%s\n' "$@"; }

# event_comes NAME SECONDS REGEX: there is, or comes within the time, an event
# that matches and that events() has not returned yet.
event_comes()
{
    if wait_for "$2" _has_event "$3"; then
        pass "$1"
    else
        fail "$1" "events: $(cat "$tmpdir/$_quorum.events")"
    fi
}
_has_event()
{
    tail -n +$(($(cat "$tmpdir/$_quorum.seen") + 1)) "$tmpdir/$_quorum.events" |
        grep -E "$1" > /dev/null
}
