# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# One client of the control socket per server, which sees every event from
# watch_events() on; sourced by the *-functions.sh of a module, which starts its
# servers with the control socket $(control_of NAME).

control_of() { echo "$tmpdir/$1.control"; }

_watched=
declare -A _session_in _session_out

# watch_events NAME: connects; what follows is about this server.
watch_events()
{
    local name=$1 in out line=
    _watched=$name
    rm -f "$tmpdir/$name.in" "$tmpdir/$name.out"
    mkfifo "$tmpdir/$name.in" "$tmpdir/$name.out" || bail_out "no fifo"
    : > "$tmpdir/$name.events"
    echo 0 > "$tmpdir/$name.seen"
    perl "$abs_top_srcdir/tests/control-session.pl" "$(control_of "$name")" "$tmpdir/$name.events" \
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
    [ -n "${_session_out[$_watched]:-}" ] || bail_out "watch_events first"
    _command_json "$@" >&"${_session_in[$_watched]}"
    IFS= read -r -t 30 -u "${_session_out[$_watched]}" answer || bail_out "no answer to: $*"
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

# events [REGEX]: what has been sent since the last call, one per line as in
# control-session.pl: reports and failures only, or what matches.  Nothing that
# was sent before the call is missed: events come before the answer to a command.
events()
{
    local seen
    control query-status
    seen=$(cat "$tmpdir/$_watched.seen")
    tail -n +$((seen + 1)) "$tmpdir/$_watched.events" > "$tmpdir/.new-events"
    echo $((seen + $(wc -l < "$tmpdir/.new-events"))) > "$tmpdir/$_watched.seen"
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
        fail "$1" "events: $(cat "$tmpdir/$_watched.events")"
    fi
}
_has_event()
{
    tail -n +$(($(cat "$tmpdir/$_watched.seen") + 1)) "$tmpdir/$_watched.events" |
        grep -E "$1" > /dev/null
}
