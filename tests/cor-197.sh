# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2154
#
# QEMU's cases 197 and 215, the same steps for two ways of doing it; here they are
# the plugin and the filter.  A base of 4 GiB with 1 KiB of 0x37 at 3 GiB, and a
# copy in which the cluster at 1M+64k is zeroes that were written.

. "${BASH_SOURCE[0]%/*}/cor-functions.sh"

base=$tmpdir/base.raw
empty_image "$base" 4G
printf '%1024s' | tr ' ' 7 | dd of="$base" bs=1M oflag=seek_bytes seek=3G conv=notrunc status=none

start_wrap()
{
    start_cor wrap "$base" "$@"
    ok "zeroes are written at 1M+64k" qemu_io wrap -c 'write -z -u 1088k 64k'
}

# 1: an allocated cluster is neither fetched nor written again.
case_allocated()
{
    start_wrap
    qemu_io wrap -c 'write -P 0x11 1088k 64k' > /dev/null
    ok "a read over it" qemu_io wrap -c 'read -P 0 1M 64k' -c 'read -P 0x11 1088k 64k'
    is "$(counter_of wrap fetched-bytes)" 65536 "fetched was the other cluster alone"
    ok "and again" qemu_io wrap -c 'read -P 0 1M 64k' -c 'read -P 0x11 1088k 64k'
    is "$(counter_of wrap fetches)" 1 "with no other fetch"
}

# 2
case_zero_length()
{
    start_wrap
    ok "a read of no bytes" qemu_io wrap -c 'read 0 0'
    is "$(counter_of wrap fetches)" 0 "fetches nothing"
}

# 3: clusters around it make it longer than 2 GiB.
case_large_read()
{
    start_wrap
    # The filter shares its engine with the plugin: an eighth of it will do.
    local length=$((2 << 30))
    [ "$cor_form" = plugin ] || [ "${NBDRES_LONG:-0}" = 1 ] || length=$((length / 8))
    ok "a read of $length - 512 bytes" timeout 120 qemu-io -f raw -r \
        -c "read -P 0 1k $((length - 512))" "$(uri_of wrap)"
    unlike "$(cat "$tmpdir/.ok.log")" failed "all of it is zeroes"
    is "$(status_of wrap local-clusters)" $((length / 65536 + 1)) "and is local, in whole clusters"
    is "$(du -k "$(copy_of wrap)" | cut -f 1)" 0 "as holes"
}

# 4, 6, 7
case_data()
{
    start_wrap
    ok "a read beside the data" qemu_io wrap -c 'read -P 0 3145729k 1k'
    is "$(data_of "$(copy_of wrap)")" '3221225472+65536' "brings the whole cluster"
    is "$(status_of wrap local-clusters)" 2 "and no other"
    stop_nbdkit wrap
    mv "$base" "$base.away"
    if [ "$cor_form" = plugin ]; then
        start_cor wrap "$base"
        ok "without the base it is there" qemu_io wrap -c 'read -P 0x37 3G 1k' \
            -c 'read -P 0 3145729k 63k'
        stop_nbdkit wrap
    fi
    mv "$base.away" "$base"
    start_cor wrap "$base"
    export_is wrap "$base" "base and copy are identical"
}

# 5: where QEMU refuses, there is nothing to refuse: the copy is not the client's.
case_read_only()
{
    nbdkit_options=(-r)
    chmod 0444 "$base"
    start_cor wrap "$base"
    ok "a read-only client of a read-only base reads" qemu_io wrap -r -c 'read -P 0 3145729k 1k'
    is "$(status_of wrap local-clusters)" 1 "and what it read is kept"
    fails "but it cannot write" timeout 30 qemu-io -f raw -c 'write 0 64k' "$(uri_of wrap)"
}

# 8
case_partial_cluster()
{
    pattern_image "$tmpdir/small.raw" 1K 0x44
    start_cor wrap "$tmpdir/small.raw"
    ok "an image smaller than a cluster is read" qemu_io wrap -c 'read -P 0x44 0 1k'
    is "$(status_of wrap local-clusters)" 1 "its one cluster is local"
    is "$(stat -c %s "$(copy_of wrap)")" 1024 "and as long as the image"
    stop_nbdkit wrap
    same_content "$tmpdir/small.raw" "$(copy_of wrap)" "the copy is complete"

    pattern_image "$tmpdir/odd-base.raw" 200001 0x45
    start_cor odd "$tmpdir/odd-base.raw"
    ok "the last bytes of an odd size" qemu_io odd -c 'read -P 0x45 199999 2'
    is "$(counter_of odd fetched-bytes)" $((200001 - 3 * 65536)) "fetched is what there is"
    ok "a write at the end, over the last byte of the cluster before" \
        qemu_io odd -c 'write -P 0x46 196607 3394' -c 'read -P 0x46 196607 3394'
    ok "the rest is the source's" qemu_io odd -c 'read -P 0x45 0 196607'
}

# 9: QEMU has subclusters, we have small clusters.
case_subclusters()
{
    pattern_image "$tmpdir/sub.raw" 64K 0xaa
    start_cor wrap "$tmpdir/sub.raw" cor-cluster-size=4K
    ok "what is written" qemu_io wrap -c 'write -P 0xbb 28k 2k' -c 'write -P 0xcc 34k 2k'
    ok "is read with what is between" qemu_io wrap -c 'read -P 0xbb 28k 2k' \
        -c 'read -P 0xaa 30k 4k' -c 'read -P 0xcc 34k 2k'
    is "$(data_of "$(copy_of wrap)")" '28672+8192' "28K to 36K are local, and no more"
}
