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

. "${BASH_SOURCE[0]%/*}/functions.sh"

requires nbdkit qemu-io nbdcopy

size=1M
random_image "$tmpdir/before.img" $size 1
random_image "$tmpdir/block" 24K 2
stack=        # names the servers and the folder of the files of one stack
stacks=0

# The workload, and what it makes of before.img: it begins and ends inside of
# clusters (64K), of pages and of the ranges that a quorum keeps count of.
cp "$tmpdir/before.img" "$tmpdir/after.img"
dd if="$tmpdir/block" of="$tmpdir/after.img" bs=512 seek=123 conv=notrunc status=none
dd if="$tmpdir/block" of="$tmpdir/after.img" bs=1K seek=1000 conv=notrunc status=none
head -c 40960 /dev/zero |
    dd of="$tmpdir/after.img" bs=512 seek=129 conv=notrunc status=none
workload=(-c "write -s $tmpdir/block 62976 24k" -c "write -z 66048 40k"
    -c "write -f -s $tmpdir/block 1000k 24k" -c flush)

# _layer NAME: adds a layer's arguments, and what is to be compared when it ends.
_layer()
{
    local name=$1 files=$tmpdir/$stack
    case $name in
        quorum)
            cp "$tmpdir/before.img" "$files/replica.img"
            filters+=(--filter="$quorum_filter")
            parameters+=(quorum-child="$files/replica.img")
            ;;
        blkverify)
            cp "$tmpdir/before.img" "$files/reference.img"
            filters+=(--filter="$blkverify_filter")
            parameters+=(blkverify-raw="$files/reference.img")
            ;;
        logwrites)
            filters+=(--filter="$logwrites_filter")
            parameters+=(logwrites-log="$files/log")
            ;;
        copy-on-read)
            filters+=(--filter="$cor_filter")
            parameters+=(cor-file="$files/copy")
            ;;
        replication)
            # A primary whose secondary is away.
            filters+=(--filter="$replication_filter")
            parameters+=(replication-mode=primary replication-alone=true
                replication-identity="$files/identity"
                replication-secondary="nbd+unix:///primary?socket=$files/none.sock")
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
        blocksize) parameters+=(blocksize-minblock=4k blocksize-maxdata=64k) ;;
        delay) parameters+=(rdelay=1ms wdelay=1ms) ;;
        error) parameters+=(error-rate=0) ;;
        luks) parameters+=(passphrase=secret) ;;
        offset) parameters+=(offset=0) ;;
        partition) parameters+=(partition=1) ;;
    esac
}

_plugin()
{
    local files=$tmpdir/$stack
    cp "$tmpdir/before.img" "$files/disk.img"
    case $1 in
        file) plugin=(file "$files/disk.img") ;;
        memory) plugin=(memory $size) ;;
        nbd)
            start_nbdkit "$stack-below" file "$files/disk.img"
            plugin=(nbd socket="$tmpdir/$stack-below.sock")
            ;;
        our-quorum)
            cp "$tmpdir/before.img" "$files/disk2.img"
            plugin=("$quorum_plugin" "$files/disk.img" "$files/disk2.img")
            ;;
        our-copy-on-read) plugin=("$cor_plugin" "$files/disk.img" cor-file="$files/copy-below") ;;
        our-logreplay)
            nbdkit -U - --filter="$logwrites_filter" file "$files/disk.img" \
                logwrites-log="$files/log-below" --run 'qemu-io -f raw -c flush "$uri"' \
                > /dev/null 2>&1
            mkdir -p "$files/overlay"
            plugin=("$logreplay_plugin" "$files/log-below" base="$files/disk.img"
                overlay="$files/overlay")
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
    for layer; do _layer "$layer"; done
    arguments=(${filters[@]+"${filters[@]}"} "${plugin[@]}" ${parameters[@]+"${parameters[@]}"})
}

_same() { cmp "$1" "$2" || { echo "differs: $3"; return 1; }; }

# _holds FILE: the export holds what FILE does.
_holds()
{
    timeout 60 nbdcopy "$(uri_of "$stack")" "$tmpdir/$stack/export" && _same "$tmpdir/$stack/export" "$1" "the export"
}

# _kept LAYER...: what each layer has kept is what it was given.
_kept()
{
    local layer seen=$tmpdir/after.img files=$tmpdir/$stack
    for layer; do
        case $layer in
            quorum) _same "$files/replica.img" "$seen" "the replica" || return ;;
            blkverify) _same "$files/reference.img" "$seen" "the reference" || return ;;
            logwrites)
                cp "$tmpdir/before.img" "$files/replayed"
                timeout 60 nbdkit -U - "$logreplay_plugin" "$files/log" base="$tmpdir/before.img" \
                    --run "nbdcopy \"\$uri\" '$files/replayed'" || return
                _same "$files/replayed" "$seen" "the log" || return
                ;;
            plugin:our-quorum) _same "$files/disk2.img" "$seen" "the second replica" || return ;;&
            plugin:file | plugin:nbd | plugin:our-quorum)
                _same "$files/disk.img" "$seen" "the disk" || return
                ;;
            plugin:our-*) _same "$files/disk.img" "$tmpdir/before.img" "the source" || return ;;
        esac
        ! _hides_writes "$layer" || seen=$tmpdir/before.img
    done
}

_work()
{
    local layer keeps=yes
    for layer; do
        [ "$layer" != plugin:memory ] || nbdcopy "$tmpdir/before.img" "$(uri_of "$stack")" || return
        [ "$layer" != plugin:memory ] && [ "$layer" != nbdkit:cow ] || keeps=no
    done
    _holds "$tmpdir/before.img" && qemu_io "$stack" "${workload[@]}" &&
        _holds "$tmpdir/after.img" || return
    stop_nbdkit "$stack" || { echo "it ended with $?"; return 1; }
    ! log_of_stack_has 'mismatch|differ|crash' || { echo "it complains"; return 1; }
    _kept "$@" || return
    [ $keeps = yes ] || return 0
    start_nbdkit "$stack" "${arguments[@]}" && _holds "$tmpdir/after.img" && stop_nbdkit "$stack"
}
log_of_stack_has() { grep -q -i -E "$1" "$tmpdir/$stack.log"; }

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
