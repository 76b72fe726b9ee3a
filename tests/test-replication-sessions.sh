#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What the primary says by the export `control`: whose commands are carried out, and
# which writes.
. "${0%/*}/replication-functions.sh"

random_image "$tmpdir/s.disk" 1M 1
start_secondary s
says() { client command s "$@" > "$tmpdir/said"; }
# said NAME KEY VALUE: of the last status.
said() { is "$(sed -n "s/^$2=//p" "$tmpdir/said")" "$3" "$1"; }
like "$(timeout 20 nbdinfo --list "$(uri_of s)" | grep '^export=' | tr -d '\n')" \
    'export="":export="primary":export="control":' "three exports are listed"
fails_like "any other is refused" 'no export|export' timeout 20 nbdinfo "$(export_uri s other)"

says hello size=512
said "another size is refused" refusal size
says hello
said "the first pair is accepted" refusal none
said "which needs everything" needs-full true
said "in session 1" session 1
said "as its secondary" role secondary
says hello pair=other
said "another pair is refused" refusal other-pair
says hello epoch=0
said "an epoch of 0 is malformed" refusal malformed
says sync-begin session=77
said "a command of no session is refused" refusal no-session
says checkpoint checkpoint=1
said "so is a checkpoint before the start" refusal wrong-state
says start
said "start" state running
said "makes no checkpoint of a disk that is no copy" consistent false
fails_like "so nothing is seen" 'read failed' view_io s 'read 0 4k'
says sync-begin full=1 total=1048576
said "a sync begins" syncing true
said "and everything is noted now" needs-full false
says checkpoint checkpoint=10
said "no checkpoint meanwhile" refusal wrong-state
watch_events s
refuses "not by hand either" "A sync is running: the disk is no state that the primary ever had; \
a checkpoint is possible when it has ended" replication-checkpoint
refuses "nor a failover" "There is no checkpoint to fail over to: the copy of the primary's disk \
is not complete, or the files of hidden were lost.  With force the disk is taken as it is" \
    replication-failover
ok "what is copied is written" primary_io s 'write -P 0x22 0 1M'
is "$(replication_value hidden-bytes)" 0 "and the old content is not kept"
kill_nbdkit s
start_secondary s
says hello
said "after a kill it is still syncing" syncing true
said "and needs no more than the primary knows" needs-full false
says sync-end
said "the sync ends" syncing false
says checkpoint checkpoint=10
said "a checkpoint" checkpoint 10
said "is one to fail over to" consistent true
ok "and is seen" view_io s 'read -P 0x22 0 1M'
says checkpoint checkpoint=10
said "numbers go up" refusal wrong-state
ok "connections and commands of older sessions are refused" client fence s
says hello epoch=2
said "an epoch that it has not seen needs everything" needs-full true
fails "what is no command is refused" timeout 20 qemu-io -f raw -c 'write 0 512' \
    "$(export_uri s control)"
fails "so is a piece of one" timeout 20 qemu-io -f raw -c 'write 512 512' \
    "$(export_uri s control)"
done_testing
