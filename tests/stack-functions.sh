# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2154
#
# For the tests of modules over each other (test-stack-*.sh):
#
#     . "${0%/*}/stack-functions.sh"
#     works blkverify quorum plugin:file
#     refused 'REGEX' quorum quorum plugin:file
#     done_testing
#
# A stack is named from the top: filters of ours by their names, nbdkit's own as
# `nbdkit:NAME`, and the plugin as `plugin:NAME`, where `plugin:our-NAME` is ours.
# works() starts it, writes, compares all of it byte for byte before and after a
# second start, and then what each layer has kept: replicas, references, logs.
#
# disk.img is what the plugin has before, and disk-after.img then; view.img and
# view-after.img are what the client sees of it.  They are the same, unless the top
# shows a part: see part_of_disk().

. "${BASH_SOURCE[0]%/*}/functions.sh"

requires nbdkit qemu-io nbdcopy

size=1M
random_image "$tmpdir/view.img" $size 1
random_image "$tmpdir/block" 24K 2
stack=        # names the servers and the folder of the files of one stack
stacks=0

# The workload, and what it makes of view.img: it begins and ends inside of
# clusters (64K), of pages and of the ranges that a quorum keeps count of.
cp "$tmpdir/view.img" "$tmpdir/view-after.img"
dd if="$tmpdir/block" of="$tmpdir/view-after.img" bs=512 seek=123 conv=notrunc status=none
dd if="$tmpdir/block" of="$tmpdir/view-after.img" bs=1K seek=1000 conv=notrunc status=none
head -c 40960 /dev/zero |
    dd of="$tmpdir/view-after.img" bs=512 seek=129 conv=notrunc status=none
workload=(-c "write -s $tmpdir/block 62976 24k" -c "write -z 66048 40k"
    -c "write -f -s $tmpdir/block 1000k 24k" -c flush)
cp "$tmpdir/view.img" "$tmpdir/disk.img"
cp "$tmpdir/view-after.img" "$tmpdir/disk-after.img"

# part_of_disk: the disk has the view as its first partition, from 64K on, and
# something behind it.
part_of_disk()
{
    local part
    random_image "$tmpdir/head" 64K 3
    random_image "$tmpdir/tail" 64K 4
    # A partition table (MBR): one entry, type 83, from sector 128 on, 2048 sectors.
    {
        head -c 446 "$tmpdir/head"
        printf '\0\0\1\0\203\0\1\0\200\0\0\0\0\10\0\0'
        head -c 48 /dev/zero
        printf '\125\252'
        tail -c +513 "$tmpdir/head"
    } > "$tmpdir/head.mbr"
    for part in '' -after; do
        cat "$tmpdir/head.mbr" "$tmpdir/view$part.img" "$tmpdir/tail" > "$tmpdir/disk$part.img"
    done
}

# _layer NAME: adds a layer's arguments, and what is to be compared when it ends.
_layer()
{
    local name=$1 place=$tmpdir/$stack
    case $name in
        quorum)
            cp "$disk" "$place/replica.img"
            filters+=(--filter="$quorum_filter")
            parameters+=(quorum-child="$place/replica.img")
            ;;
        blkverify)
            cp "$disk" "$place/reference.img"
            filters+=(--filter="$blkverify_filter")
            parameters+=(blkverify-raw="$place/reference.img")
            ;;
        logwrites)
            filters+=(--filter="$logwrites_filter")
            parameters+=(logwrites-log="$place/log")
            ;;
        copy-on-read)
            filters+=(--filter="$cor_filter")
            parameters+=(cor-file="$place/copy")
            ;;
        replication)
            # A primary whose secondary is away.
            filters+=(--filter="$replication_filter")
            parameters+=(replication-mode=primary replication-alone=true
                replication-identity="$place/identity"
                replication-secondary="nbd+unix:///primary?socket=$place/none.sock")
            ;;
        nbdkit:tls)
            filters+=(--tls=require --tls-psk="$tmpdir/keys.psk")
            uri="nbds+unix://alice@/?socket=$tmpdir/$stack.sock&tls-psk-file=$tmpdir/keys.psk"
            ;;
        nbdkit:*) _nbdkit_filter "${name#nbdkit:}" ;;
        plugin:*) _plugin "${name#plugin:}" ;;
    esac
}

# Those that keep to themselves what is written: below them nothing changes.
_hides_writes() { [ "$1" = copy-on-read ] || [ "$1" = nbdkit:cow ]; }

_nbdkit_filter()
{
    filters+=(--filter="$1")
    case $1 in
        blocksize) parameters+=(minblock=4k maxdata=64k) ;;
        delay) parameters+=(rdelay=1ms wdelay=1ms) ;;
        error) parameters+=(error-rate=0) ;;
        luks) parameters+=(passphrase=secret) ;;
        offset) parameters+=(offset=64k range="$size") ;;
        partition) parameters+=(partition=1) ;;
    esac
}

_plugin()
{
    local place=$tmpdir/$stack
    cp "$disk" "$place/disk.img"
    case $1 in
        file) plugin=(file "$place/disk.img") ;;
        memory) plugin=(memory "$size") ;;
        nbd)
            start_nbdkit "$stack-below" file "$place/disk.img"
            plugin=(nbd socket="$tmpdir/$stack-below.sock")
            ;;
        our-quorum)
            cp "$disk" "$place/disk2.img"
            plugin=("$quorum_plugin" "$place/disk.img" "$place/disk2.img")
            ;;
        our-copy-on-read) plugin=("$cor_plugin" "$place/disk.img" cor-file="$place/copy-below") ;;
        our-logreplay)
            nbdkit -U - --filter="$logwrites_filter" file "$place/disk.img" \
                logwrites-log="$place/log-below" --run 'qemu-io -f raw -c flush "$uri"' \
                > /dev/null 2>&1
            mkdir -p "$place/overlay"
            plugin=("$logreplay_plugin" "$place/log-below" base="$place/disk.img"
                overlay="$place/overlay")
            ;;
    esac
}

# _build LAYER...: sets filters, plugin, parameters.
_build()
{
    local layer
    stacks=$((stacks + 1))
    stack=stack$stacks
    mkdir "$tmpdir/$stack"
    filters=() parameters=() plugin=()
    uri=$(uri_of "$stack")
    disk=$tmpdir/disk.img
    [ "$1" != nbdkit:luks ] || disk=$tmpdir/container.img
    for layer; do _layer "$layer"; done
    arguments=(${filters[@]+"${filters[@]}"} "${plugin[@]}" ${parameters[@]+"${parameters[@]}"})
}

_same() { cmp "$1" "$2" || { echo "differs: $3"; return 1; }; }

# _holds FILE: the export holds what FILE does.
_holds()
{
    timeout 60 nbdcopy "$uri" "$tmpdir/$stack/export" &&
        _same "$tmpdir/$stack/export" "$1" "the export"
}

# _kept LAYER...: what each layer has kept is what it was given.
_kept()
{
    local layer seen=$tmpdir/disk-after.img place=$tmpdir/$stack
    if [ "$1" = nbdkit:luks ]; then
        # Nobody but the filter knows what that is; but all layers have the same.
        seen=$place/disk.img
        _hides_writes "$2" || ! cmp -s "$seen" "$disk" || { echo "nothing was written"; return 1; }
    fi
    for layer; do
        case $layer in
            quorum) _same "$place/replica.img" "$seen" "the replica" || return ;;
            blkverify) _same "$place/reference.img" "$seen" "the reference" || return ;;
            logwrites)
                cp "$disk" "$place/replayed"
                timeout 60 nbdkit -U - "$logreplay_plugin" "$place/log" base="$disk" \
                    --run "nbdcopy \"\$uri\" '$place/replayed'" || return
                _same "$place/replayed" "$seen" "the log" || return
                ;;
            plugin:our-quorum) _same "$place/disk2.img" "$seen" "the second replica" || return ;;&
            plugin:file | plugin:nbd | plugin:our-quorum)
                _same "$place/disk.img" "$seen" "the disk" || return
                ;;
            plugin:our-*) _same "$place/disk.img" "$disk" "the source" || return ;;
        esac
        ! _hides_writes "$layer" || seen=$disk
    done
}

_write()
{
    case $1 in
        nbdkit:tls) timeout 60 nbdcopy --flush "$tmpdir/view-after.img" "$uri" ;;  # qemu-io has no URI for it
        *) qemu_io "$stack" "${workload[@]}" ;;
    esac
}

_work()
{
    local layer keeps=yes empty=no
    for layer; do
        case $layer in
            plugin:memory) keeps=no empty=yes ;;
            nbdkit:luks) empty=yes ;;
            nbdkit:cow) keeps=no ;;
        esac
    done
    [ $empty = no ] || timeout 60 nbdcopy "$tmpdir/view.img" "$uri" || return
    _holds "$tmpdir/view.img" && _write "$1" && _holds "$tmpdir/view-after.img" || return
    stop_nbdkit "$stack" || { echo "it ended with $?"; return 1; }
    ! log_of_stack_has 'mismatch|differ|crash' || { echo "it complains"; return 1; }
    _kept "$@" || return
    [ $keeps = yes ] || return 0
    start_nbdkit "$stack" "${arguments[@]}" && _holds "$tmpdir/view-after.img" &&
        stop_nbdkit "$stack"
}
log_of_stack_has() { grep -v " 0 mismatches" "$tmpdir/$stack.log" | grep -q -i -E "$1"; }

# works LAYER...
works()
{
    _build "$@"
    if try_nbdkit "$stack" "${arguments[@]}"; then
        ok "$*" _work "$@"
    else
        fail "$*" "it does not start" "$(cat "$tmpdir/$stack.log")"
    fi
    ! is_running "$(pid_of "$stack")" || kill_nbdkit "$stack"
    [ -z "${_server_pid[$stack-below]:-}" ] || stop_nbdkit "$stack-below"
    rm -rf "${tmpdir:?}/$stack"
}

# refused REGEX LAYER...: it ends before it serves, and says why.
refused()
{
    local regex=$1
    shift
    _build "$@"
    fails_like "$* is refused" "$regex" timeout 30 nbdkit -f -U "$tmpdir/never.sock" "${arguments[@]}"
    [ -z "${_server_pid[$stack-below]:-}" ] || stop_nbdkit "$stack-below"
}
