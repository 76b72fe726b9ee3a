# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# For the tests in which children freeze, die and come back, and clients work
# meanwhile (test-quorum-{stress,frozen,killed,...}*.sh):
#
#     . "${0%/*}/quorum-fault-functions.sh"
#     three_images 1M
#     serve_image two "$tmpdir/2.raw"
#     start_quorum q "$tmpdir/1.raw" "$(uri_of two)" "$tmpdir/3.raw" quorum-timeout=1500ms
#     watch_events q
#     freeze "$(pid_of two)"
#     within 4000 "a read waits once" qemu_io q -c 'read 0 64k'
#     thaw "$(pid_of two)"
#     recovers "it comes back"
#     done_testing

. "${BASH_SOURCE[0]%/*}/quorum-functions.sh"
. "${BASH_SOURCE[0]%/*}/load-functions.sh"

# status_value PATH: of query-status, as details/0.
status_value() { control query-status; value "return/$1"; }
# status_is STATUS: healthy, resyncing, differs, degraded or failed.
status_is() { [ "$(status_value status)" = "$1" ]; }

# becomes STATUS NAME [SECONDS]
becomes()
{
    if wait_for "${3:-20}" status_is "$1"; then
        pass "$2"
    else
        control query-children
        fail "$2" "$answer"
    fi
}

# recovers NAME [SECONDS]: all children are online and current again, and none is known
# to differ.
recovers() { becomes healthy "$@"; }

# identical NAME: after a flush, so that servers with caches have written them.
identical()
{
    local image
    qemu_io "$_watched" -c flush > /dev/null
    for image in "$tmpdir/2.raw" "$tmpdir/3.raw"; do
        [ -e "$image" ] || continue
        if ! cmp "$tmpdir/1.raw" "$image" > "$tmpdir/.identical.log" 2>&1; then
            fail "$1" "$(cat "$tmpdir/.identical.log")"
            return
        fi
    done
    pass "$1"
}

# never_differed NAME: no child ever lost a vote.
never_differed()
{
    local i sum=0 lost
    control query-status
    local children
    children=$(value return/children)
    control query-children
    for ((i = 0; i < children; i++)); do
        lost=$(value "return/$i/counters/mismatches")
        sum=$((sum + lost))
    done
    is "$sum" 0 "$1"
}

# child_at_least CHILD KEY NUMBER, all_at_least COUNTER NUMBER: to wait for.
child_at_least() { [ "$(child_value "$1" "$2")" -ge "$3" ]; }
all_at_least() { [ "$(all_counted "$1")" -ge "$2" ]; }

# all_counted KEY: the sum of a counter over the children.
all_counted()
{
    control query-children
    perl -MJSON::PP -e 'my $sum = 0;
        $sum += $_->{counters}{$ARGV[1]} for @{decode_json($ARGV[0])->{return}};
        print $sum' "$answer" "$1"
}

# refused NAME REGEX CHILD|KEY=VALUE...: with these parameters nbdkit ends with
# an error that says something that matches, before it serves, and before it has
# touched any of the images $tmpdir/*.raw.
refused()
{
    local name=$1 regex=$2 before status
    shift 2
    before=$(_images)
    rm -f "$tmpdir/refused.log"
    if try_quorum refused "$@"; then
        stop_nbdkit refused
        fail "$name" "it started: $*"
        return
    fi
    wait "$(pid_of refused)"
    status=$?
    _refusal "$name" "$regex" "$before" "$status"
}
_images() { sha256sum "$tmpdir"/*.raw; }
_refusal()
{
    local name=$1 regex=$2 before=$3 status=$4 text
    text=$(cat "$tmpdir/refused.log")
    mv "$tmpdir/refused.log" "$tmpdir/refused.last"
    if [ "$status" -ne 1 ]; then
        fail "$name" "exit status $status" "$text"
    elif [ -e "$tmpdir/refused.pid" ]; then
        fail "$name" "it wrote a pid file" "$text"
    elif [ -S "$(control_of refused)" ]; then
        fail "$name" "it left a control socket behind" "$text"
    elif [ "$(_images)" != "$before" ]; then
        fail "$name" "an image was changed" "$text"
    elif ! [[ $text =~ $regex ]]; then
        fail "$name" "expected a match of: $regex" "$text"
    else
        pass "$name"
    fi
}
