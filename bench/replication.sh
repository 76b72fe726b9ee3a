#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# What a secondary costs: how fast it takes the primary's writes, beside QEMU and a
# file that nbdkit serves without any filter.
#
# QEMU's storage daemon has no command that starts its replication driver.  What that
# driver does to the primary's writes is done by a backup job (sync=none) into the
# hidden disk, a qcow2 image, and that job is started by hand here.
#
#     bench/replication.sh [--rounds N] [--size SIZE] [--directory DIR] [CASE...]
#
# Files are in DIR (/dev/shm).  The contenders take turns within a round; what is
# printed is the median of each in MiB/s, and the median of the rounds' ratios; and the
# processor time of the server for each GiB, which depends less on who else is there.
# "first" is the first write after the start, when the old content has to be saved, into
# empty files; "again" the second; "after a checkpoint" the one when it has to be saved
# again.  The checkpoint is timed by its client, with all of
# the disk dirty.

set -u -o pipefail
# shellcheck source=bench/functions.sh
. "${BASH_SOURCE[0]%/*}/functions.sh"
filter=$build/filters/replication/.libs/nbdkit-replication-filter.so
nbdctl=$build/tools/nbdctl/nbdctl

rounds=5 size=512M directory=/dev/shm cases=()
take_options '[--rounds N] [--size SIZE] [--directory DIR] [CASE...]' "$@"
need_files "$filter"
need_programs nbdkit fio perl

dir=$(mktemp -d "$directory/bench.XXXXXX") || exit 1
server=
primary=
stop() { [ -z "$server" ] || { kill "$server"; wait "$server"; server=; } 2> /dev/null; }
trap '[ -z "$primary" ] || kill "$primary"; stop; rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM

contenders=(plain filter)
if command -v qemu-storage-daemon > /dev/null && command -v qemu-img > /dev/null; then
    contenders+=(qemu)
fi

# qmp COMMAND-JSON...: to the QEMU daemon, each of which must succeed; prints
# how many microseconds the last one took.
qmp()
{
    perl -MIO::Socket::UNIX -MTime::HiRes=time -e '
        my $s = IO::Socket::UNIX->new(Peer => shift) or die "no socket\n";
        <$s>;
        my $took;
        for my $c (q({"execute":"qmp_capabilities"}), @ARGV) {
            my $begin = time;
            print {$s} "$c\n";
            my $a;
            do { $a = <$s> // die "gone\n" } while $a =~ /"event"/;
            die "$c: $a" if $a =~ /"error": *\{/;
            $took = (time - $begin) * 1e6;
        }
        printf "%d\n", $took;' "$dir/qmp" "$@"
}

# serve CONTENDER: the export for the primary's writes at $uri; replication runs.
serve()
{
    rm -f "$dir"/sock "$dir"/qmp "$dir"/active* "$dir"/hidden* "$dir"/disk.replication
    uri="nbd+unix:///primary?socket=$dir/sock"
    case $1 in
        plain) nbdkit -f -U "$dir/sock" file "$dir/disk" & ;;
        filter)
            nbdkit -f -U "$dir/sock" --filter="$filter" file "$dir/disk" \
                replication-mode=secondary replication-active="$dir/active" \
                replication-hidden="$dir/hidden" replication-control="$dir/qmp" & ;;
        qemu)
            qemu-img create -q -f qcow2 "$dir/hidden" "$bytes"
            qemu-storage-daemon --chardev socket,id=c,path="$dir/qmp",server=on,wait=off \
                --monitor c \
                --nbd-server addr.type=unix,addr.path="$dir/sock" & ;;
    esac
    server=$!
    wait_until "$1 did not start" test -S "$dir/sock"
    case $1 in
        filter) "$nbdctl" "$dir/qmp" replication-start > /dev/null || exit 1 ;;
        qemu) start_qemu || { echo "bench: QEMU's replication cannot be started" >&2; exit 1; } ;;
    esac
}

# start_backup: the job that saves the disk's old content.
start_backup()
{
    qmp '{"execute":"blockdev-add","arguments":{"driver":"qcow2","node-name":"hidden","file":{"driver":"file","filename":"'"$dir/hidden"'"},"backing":null}}' \
        '{"execute":"blockdev-backup","arguments":{"job-id":"backup","device":"disk","target":"hidden","sync":"none"}}' > /dev/null
}

# start_qemu: the disk, and that job.
start_qemu()
{
    uri="nbd+unix:///primary?socket=$dir/sock"
    qmp '{"execute":"blockdev-add","arguments":{"driver":"file","node-name":"disk","filename":"'"$dir/disk"'"}}' \
        '{"execute":"block-export-add","arguments":{"type":"nbd","id":"e","node-name":"disk","name":"primary","writable":true}}' > /dev/null
    start_backup
}

# measure RW BS DEPTH: MiB/s over the whole disk, or at random.
measure()
{
    fio_terse "$uri" "$1" "$2" "$3" --size="$bytes" --io_size="${4:-$bytes}" |
        awk -F';' '{ rate = $48 / 1024 } END { print rate + 0 }'
}

# used: the processor time of the server so far, in ms.
used() { awk '{ print ($14 + $15) * 10 }' "/proc/$server/stat"; }

# line NAME PASS: what was collected.
line()
{
    local contender
    printf '%-40s' "$1, $2"
    for contender in "${contenders[@]}"; do
        printf ' %9.0f' "$(median < "$dir/$contender.$2.values")"
    done
    printf '   filter/plain %.2f' "$(median < "$dir/plain.$2.ratios")"
    [ ! -e "$dir/qemu.$2.ratios" ] || printf '   filter/qemu %.2f' "$(median < "$dir/qemu.$2.ratios")"
    echo
    printf '%-40s' "  ms of the server for a GiB"
    for contender in "${contenders[@]}"; do
        printf ' %9.0f' "$(median < "$dir/$contender.$2.used")"
    done
    echo
}

passes=(first again "after a checkpoint")
# checkpoint_of CONTENDER: what is kept is emptied.  QEMU cuts the qcow2 image off, which
# here is another one in its place; the filter begins another generation in the same
# file, and gives its room back some seconds later if it is not written again.
checkpoint_of()
{
    case $1 in
        filter) "$nbdctl" "$dir/qmp" replication-checkpoint > /dev/null ;;
        qemu)
            qmp '{"execute":"block-job-cancel","arguments":{"device":"backup"}}' > /dev/null
            tries=200 wait_until "QEMU's job does not end" \
                qmp '{"execute":"blockdev-del","arguments":{"node-name":"hidden"}}'
            rm "$dir/hidden"
            qemu-img create -q -f qcow2 "$dir/hidden" "$bytes"
            start_backup ;;
    esac
}

# compare CASE RW BS DEPTH [BYTES]
compare()
{
    local name=$1 round contender pass before
    shift
    wanted "$name" || return 0
    for ((round = 0; round < rounds; round++)); do
        for contender in "${contenders[@]}"; do
            serve "$contender"
            for pass in "${passes[@]}"; do
                [ "$pass" != "after a checkpoint" ] || checkpoint_of "$contender"
                before=$(used)
                measure "$@" | tee -a "$dir/$contender.$pass.values" > "$dir/$contender.$pass.last"
                awk -v u=$(($(used) - before)) -v b="${4:-$bytes}" \
                    'BEGIN { print u / b * 1024 * 1024 * 1024 }' >> "$dir/$contender.$pass.used"
            done
            stop
        done
        for contender in plain qemu; do
            for pass in "${passes[@]}"; do
                [ ! -e "$dir/$contender.$pass.last" ] ||
                    awk -v f="$(cat "$dir/filter.$pass.last")" '{ print ($1 > 0 ? f / $1 : 0) }' \
                        "$dir/$contender.$pass.last" >> "$dir/$contender.$pass.ratios"
            done
        done
    done
    for pass in "${passes[@]}"; do line "$name" "$pass"; done
    rm -f "$dir"/*.values "$dir"/*.ratios "$dir"/*.last "$dir"/*.used
}

# checkpoints: each with all of the disk saved.
checkpoints()
{
    local round name="checkpoint, all of the disk dirty"
    wanted "$name" || return 0
    for ((round = 0; round < rounds; round++)); do
        serve filter
        measure write 256k 8 > /dev/null
        qmp '{"execute":"replication-checkpoint"}' >> "$dir/took"
        stop
    done
    printf '%-40s %9d us, at most %d us\n' "$name" "$(median < "$dir/took")" "$(sort -n "$dir/took" | tail -1)"
    rm -f "$dir/took"
}

# serve_primary plain|async: what a guest uses, at $guest.  The secondary is on this
# machine too, and so takes some of its processors.
serve_primary()
{
    rm -f "$dir"/guest.sock "$dir"/guest.qmp "$dir"/changes "$dir"/local.replication
    guest="nbd+unix:///?socket=$dir/guest.sock"
    if [ "$1" = plain ]; then
        nbdkit -f -U "$dir/guest.sock" file "$dir/local" &
    else
        nbdkit -f -U "$dir/guest.sock" --filter="$filter" file "$dir/local" \
            replication-mode=primary replication-secondary="$uri" replication-protocol=async \
            replication-bitmap="$dir/changes" replication-control="$dir/guest.qmp" &
    fi
    primary=$!
    tries=600 wait_until "the primary did not start" guest_is_served "$1"
}
guest_is_served()
{
    [ -S "$dir/guest.sock" ] && { [ "$1" = plain ] ||
        [[ $("$nbdctl" "$dir/guest.qmp" query-replication) == *in-sync* ]]; }
}
# one_latency FIO-OPTION...: the median of 4k random writes, one at a time, in us.
one_latency()
{
    timeout 100 fio --name=bench --ioengine=nbd --uri="$guest" --rw=randwrite --bs=4k --iodepth=1 \
        --size="$bytes" --runtime=3 --time_based --lat_percentiles=1 --percentile_list=50 \
        --output-format=json --output="$dir/fio.out" "$@" > /dev/null 2>&1
    perl -MJSON::PP -0777 -ne \
        's/^[^{]*//; print decode_json($_)->{jobs}[0]{write}{lat_ns}{percentile}{"50.000000"} / 1000, "\n"' \
        "$dir/fio.out"
}
# latency NAME [FIO-OPTION...]: of the guest of an async primary, beside the file plugin.
latency()
{
    local name=$1 round contender
    shift
    wanted "$name" || return 0
    cp "$dir/disk" "$dir/local"
    for ((round = 0; round < rounds; round++)); do
        for contender in plain async; do
            [ $contender = plain ] || serve filter
            serve_primary $contender
            one_latency "$@" | tee -a "$dir/$contender.us" > "$dir/$contender.last"
            kill $primary
            wait $primary 2> /dev/null
            primary=
            [ $contender = plain ] || stop
        done
        awk -v p="$(cat "$dir/plain.last")" '{ print $1 / p }' "$dir/async.last" >> "$dir/async.ratios"
    done
    printf '%-40s plain %.1f us, async primary %.1f us   async/plain %.2f\n' "$name" \
        "$(median < "$dir/plain.us")" "$(median < "$dir/async.us")" "$(median < "$dir/async.ratios")"
    rm -f "$dir"/*.us "$dir"/*.last "$dir"/async.ratios "$dir/local"
}

bytes=$(numfmt --from=iec "$size")
machine
echo "$rounds rounds, $size each, in $directory; load before: $(load)"
head -c "$bytes" /dev/urandom > "$dir/disk"
printf '%-40s' 'case (MiB/s)'
printf ' %9s' "${contenders[@]}"
echo
compare "256k write, depth 8" write 256k 8
compare "4k random write, depth 16" randwrite 4k 16 $((bytes / 8))
checkpoints
latency "guest latency, 4k random write"
latency "guest latency, 4k, 2000 a second" --rate_iops=2000
