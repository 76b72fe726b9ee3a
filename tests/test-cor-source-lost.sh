#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The source dies, freezes, is away at the start: what is local stays readable, the
# rest is an error after a deadline, then at once, and works again on its return.
. "${0%/*}/cor-functions.sh"

random_image "$tmpdir/source.raw" 4M 1
start_nbdkit far file "$tmpdir/source.raw"
start_cor c "$(uri_of far)" cor-timeout=1500ms
ok "a cluster is fetched" qemu_io c -c 'read 0 64k'

# within MS NAME COMMAND...; fails_within MIN MAX NAME COMMAND...
timed()
{
    local begin
    begin=$(date +%s%N)
    "$@" > "$tmpdir/timed.out" 2>&1
    local status=$?
    took=$((($(date +%s%N) - begin) / 1000000))
    return $status
}
fails_within()
{
    local min=$1 max=$2 name=$3
    shift 3
    if timed "$@"; then
        fail "$name" "it succeeded"
    elif [ "$took" -lt "$min" ] || [ "$took" -gt "$max" ]; then
        fail "$name" "it took $took ms"
    else
        pass "$name ($took ms)"
    fi
}
comes_back()
{
    ok "$1" wait_for 15 status_is c source-state up
}

kill_nbdkit far
fails_within 1000 6000 "killed: what is not local is an error, after the deadline" \
    qemu_io c -c 'read 1M 64k'
fails_within 0 1000 "then at once" qemu_io c -c 'read 2M 64k'
ok "what is local is readable" qemu_io c -c 'read 0 64k'
ok "and writable" qemu_io c -c 'write -P 5 0 64k' -c 'write -P 6 128k 64k' -c flush
fails "a part of a cluster that is not local cannot be written" qemu_io c -c 'write 1M 1k'
is "$(status_of c source-state)" lost "the status says it"
is "$(grep -c 'is lost' "$tmpdir/c.log")" 1 "the log says it once"
start_nbdkit far file "$tmpdir/source.raw"
comes_back "it comes back"
ok "and is read" qemu_io c -c 'read 1M 64k'
is "$(grep -c 'is back' "$tmpdir/c.log")" 1 "the log says that, too"

freeze "$(pid_of far)"
fails_within 1000 6000 "frozen: an error after the deadline" qemu_io c -c 'read 2M 64k'
fails_within 0 1000 "then at once" qemu_io c -c 'read 2M 128k'
ok "what is local is readable" qemu_io c -c 'read -P 5 0 64k'
thaw "$(pid_of far)"
comes_back "it goes on"
ok "and is read" qemu_io c -c 'read 2M 64k'

stop_nbdkit c
kill_nbdkit far
start_cor c "$(uri_of far)" cor-timeout=1500ms
like "$(cat "$tmpdir/c.log")" 'the source is not there' "a copy starts without its source"
ok "what is local is there" qemu_io c -c 'read -P 5 0 64k'
fails_within 0 3000 "the rest is an error" qemu_io c -c 'read 3M 64k'
start_nbdkit far file "$tmpdir/source.raw"
comes_back "until the source comes"
ok "and is read" qemu_io c -c 'read 3M 64k'

# A restart that is quicker than the deadline is not even noticed.
stop_nbdkit c
start_cor c "$(uri_of far)" cor-timeout=10s
kill_nbdkit far
timeout 30 qemu-io -f raw -r -c 'read 3500k 64k' "$(uri_of c)" > "$tmpdir/reader.out" 2>&1 &
reader=$!
start_nbdkit far file "$tmpdir/source.raw"
wait $reader
is $? 0 "a read waits for a source that is restarted"
unlike "$(cat "$tmpdir/reader.out")" failed "and gets its data"
done_testing
