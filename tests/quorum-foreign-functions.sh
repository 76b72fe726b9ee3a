# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# For the tests of disks that are not what was left there (test-quorum-foreign-*.sh):
#
#     . "${0%/*}/quorum-foreign-functions.sh"
#     three_images 4M
#     start_quorum q "$tmpdir/1.raw" "$tmpdir/2.raw" "$tmpdir/3.raw" "$memory"
#     watch_events q
#     fills "it is written" 7
#     is_foreign "it is noticed" children.2
#     is_left_alone "nothing is written there" "$tmpdir/3.raw" some-command
#     done_testing

. "${BASH_SOURCE[0]%/*}/quorum-fault-functions.sh"

memory=quorum-memory=$tmpdir/q.memory

# is_learned: everything is flushed and its intents are cleared, so that what is on the
# disks is remembered.
is_learned()
{
    [ "$(status_value memory/intended-bytes)" = 0 ] &&
        [ "$(status_value memory/witness-places)" -ge 128 ]
}

# fills NAME BYTE [OFFSET LENGTH]: it is written, flushed, and remembered.
fills()
{
    if ! qemu_io "$_watched" -c "write -P $2 ${3:-0} ${4:-4M}" -c flush > "$tmpdir/.fills.log" 2>&1; then
        fail "$1" "$(cat "$tmpdir/.fills.log")"
    elif wait_for 30 is_learned; then
        pass "$1"
    else
        control query-status
        fail "$1" "$answer"
    fi
}

# is_foreign NAME CHILD: it is so within seconds, and the status says so and what to do.
is_foreign()
{
    if ! wait_for 15 child_value_is "$2" state foreign; then
        control query-children
        fail "$1" "$answer"
        return
    fi
    like "$(status_value status): $(status_value details)" "degraded: .*foreign" "$1"
    like "$(status_value advice)" "child-accept" "the status says what to do"
}

# is_left_alone NAME IMAGE: it is not changed by writes, nor within two seconds, in which a
# resync or a heal would have begun.
is_left_alone()
{
    local before
    before=$(sha256sum < "$2")
    qemu_io "$_watched" -c 'write -P 77 64k 64k' -c flush -c 'read -P 77 64k 64k' > /dev/null ||
        fail "$1" "it cannot be written"
    if wait_for 2 _is_changed "$2" "$before"; then fail "$1"; else pass "$1"; fi
}
_is_changed() { [ "$(sha256sum < "$1")" != "$2" ]; }

# why_foreign CHILD
why_foreign() { child_value "$1" foreign; }
