#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Two disks of one guest, each with its primary and its secondary: they start, make
# checkpoints and stop together, all or none, also while the guest writes, and when a
# secondary freezes or dies.
. "${0%/*}/replication-pair-functions.sh"

other() { if [ "${1%1}" != "$1" ]; then echo "${1%1}2"; else echo "${1%2}1"; fi; }
for i in 1 2; do
    random_image "$tmpdir/a$i.disk" 8M $i
    empty_image "$tmpdir/b$i.disk" 8M
done
standby() { start_standby "$1" replication-group="$(control_of "$(other "$1")")" replication-name="$1"; }
ask() { timeout 60 "$nbdctl" "$(control_of "$1")" "${@:2}"; }
# of KEY NAME...: KEY of query-replication of each, in one line.
of()
{
    local key=$1 name
    shift
    for name; do
        ask "$name" query-replication --json |
            perl -MJSON::PP -e 'my $v = decode_json(join "", <STDIN>)->{$ARGV[0]}; print "$v "' "$key"
    done
}
comes() { wait_for 30 eval "[ \"\$(of $1 $2 $3)\" = '$4 $4 ' ]"; }
primary()
{
    start_primary "a$1" "b$1" replication-group="$(control_of "$(other "a$1")")" \
        replication-name="a$1" replication-autostart="$2"
}
standby b1
standby b2
primary 1 false
primary 2 false
fails "before the start there is no I/O" guest_io a2 'write 0 4k'
ok "start, asked of one" ask a1 replication-start
ok "starts both" comes state a1 a2 running
ok "and their secondaries" comes phase a1 a2 in-sync
ok "a checkpoint, asked of the other" ask a2 replication-checkpoint
is "$(($(of checkpoint a1)))" "$(($(of checkpoint b1)))" "is one of the first pair"
is "$(($(of checkpoint a2)))" "$(($(of checkpoint b2)))" "and of the second one"

# The guest writes a number to its first disk, and when that is acknowledged the same
# to the second one, again and again: no moment has a newer one on the second.
write_numbers()
{
    local n
    for ((n = 1; n < 250; n++)); do
        guest_io a1 "write -P $n 0 4k" > /dev/null || return
        guest_io a2 "write -P $n 0 4k" > /dev/null || return
        echo $n > "$tmpdir/n"
    done
}
# shown NAME: the number that this secondary's own machine sees.
shown() { nbdcopy "$(uri_of "$1")" - | od -An -tu1 -N1 | tr -d ' '; }
# one_moment NAME: both show the same moment.
one_moment()
{
    local first second
    first=$(shown b1) second=$(shown b2)
    if [ $((first - second)) = 0 ] || [ $((first - second)) = 1 ]; then
        pass "$1"
    else
        fail "$1" "the first disk has write $first, the second one $second"
    fi
}
went_on() { [ "$(cat "$tmpdir/n")" -ge $(($1 + 2)) ]; }
echo 0 > "$tmpdir/n"
write_numbers &
writer=$!
at_exit_kill $writer
for i in 1 2 3 4 5; do
    ok "the guest writes" wait_for 30 went_on "$(cat "$tmpdir/n")"
    ok "a checkpoint of both meanwhile" ask "a$((i % 2 + 1))" replication-checkpoint
    one_moment "which is one moment"
done

# One secondary freezes: it is not known what it has done, so nothing is done.
before=$(of checkpoint b1)
freeze "$(pid_of b2)"
fails_like "with one secondary frozen there is none" 'no disk of the group has done it' \
    ask a1 replication-checkpoint
is "$(of checkpoint b1)" "$before" "of neither"
ok "the guest writes on" wait_for 30 went_on "$(cat "$tmpdir/n")"
thaw "$(pid_of b2)"
ok "it comes back" comes phase a1 a2 in-sync
ok "a checkpoint of both" ask a2 replication-checkpoint
one_moment "is one moment"
kill_nbdkit b1
fails_like "with one secondary dead there is none" 'no disk of the group has done it' \
    ask a2 replication-checkpoint
one_of() { nbdcopy "$(uri_of b2)" - | od -An -tu1 -N1 | tr -d ' '; }
standby b1
ok "it comes back" comes phase a1 a2 in-sync
one_moment "what both show is one moment still"

# Whoever asks is gone when it has told one of them, and that one's disk fails then.
kill $writer
wait $writer 2> /dev/null
for i in 1 2; do
    on a$i
    control group-prepare token=half action=checkpoint mode=unset force=false
done
on a1
does "one of the disks makes a checkpoint" group-commit token=half
on a2
does "the other one cannot" group-drop token=half
kill_nbdkit a1
kill_nbdkit a2
fails_like "then there is no failover to disks of different moments" \
    'do not have the same checkpoint.*no disk of the group has done it' ask b1 replication-failover
is "$(of state b1 b2)" "running running " "of neither"
start_primary a1 b1 replication-group="$(control_of a2)" replication-name=a1
start_primary a2 b2 replication-group="$(control_of a1)" replication-name=a2
ok "the primaries are back" comes phase a1 a2 in-sync
ok "and have a checkpoint of both made" ask a1 replication-checkpoint
kill_nbdkit a1
kill_nbdkit a2
ok "to which both fail over" ask b2 replication-failover
ok "together" comes state b1 b2 "done"
one_moment "which is one moment"
done_testing
