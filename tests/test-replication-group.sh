#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Two disks of a group start, checkpoint, fail over and stop together, all or none,
# also when whoever asked for it dies in the middle.
. "${0%/*}/replication-functions.sh"

other() { if [ "$1" = a ]; then echo b; else echo a; fi; }
member()
{
    start_secondary "$1" replication-group="$(control_of "$(other "$1")")" replication-timeout=1s \
        replication-name="$1"
}
for name in a b; do
    random_image "$tmpdir/$name.disk" 1M 1
    member $name
done
ask() { timeout 30 "$nbdctl" "$(control_of "$1")" "${@:2}"; }
# both KEY: of query-replication of a and b.
both()
{
    local name
    for name in a b; do
        ask $name query-replication --json |
            perl -MJSON::PP -e 'print decode_json(join "", <STDIN>)->{$ARGV[0]}, " "' "$1"
    done
}
ok "start, asked of one" ask a replication-start
is "$(both state)" "running running " "starts both"
ok "a checkpoint, asked of the other" ask b replication-checkpoint
is "$(both checkpoint)" "2 2 " "is one of both"

kill_nbdkit b
fails_like "with one of them gone" "the disk '.*b.control' of the group.*no disk of the group has done it" \
    ask a replication-checkpoint
is "$(ask a query-replication --json | perl -MJSON::PP -e 'print decode_json(join "", <STDIN>)->{checkpoint}')" \
    2 "none makes a checkpoint"
ok "and I/O goes on" primary_io a 'write 0 64k'
member b
ok "they are together again" ask a xen-colo-do-checkpoint
is "$(both checkpoint)" "3 3 " "and make one"

watch_events b
control group-prepare token=x action=checkpoint mode=secondary force=false
refuses "one thing at a time" "something else is being done with the group: try again" \
    group-prepare token=y action=checkpoint mode=secondary force=false
ok "one that nobody commits is dropped, and I/O goes on" primary_io b 'write 0 64k'
is "$(both checkpoint)" "3 3 " "as if it had never been asked for"
refuses "too late" "it is not prepared (any more)" group-commit token=x

control group-prepare token=z action=checkpoint mode=secondary force=false
watch_events a
control group-prepare token=z action=checkpoint mode=secondary force=false
does "whoever asks dies when it has told one of them" group-commit token=z
told() { [ "$(both checkpoint)" = "4 4 " ]; }
ok "the other one does it, too" wait_for 20 told

primary_io a 'write -P 0x22 0 1M' > /dev/null
ok "a failover, asked of one" ask a replication-failover
failed_over() { [ "$(both state)" = "done done " ]; }
ok "is one of both" wait_for 20 failed_over
is "$(both role)" "promoted promoted " "and for good"
done_testing
