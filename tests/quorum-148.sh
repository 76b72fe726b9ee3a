# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# For the cases of QEMU's iotest 148 (test-quorum-148-*.sh), the limit of one
# event per second and child.  Three children of 1 MiB, img0 to img2; child i
# fails with EIO whatever touches sector 10+i.  In real time: nothing waits for a
# time, only for events.

. "${BASH_SOURCE[0]%/*}/quorum-functions.sh"

for i in 0 1 2; do
    pattern_image "$tmpdir/$i.raw" 1M 0
    start_faulty "img$i" "$tmpdir/$i.raw"
    set_faults "img$i" "read EIO $((10 + i))"
done

# start_148 PATTERN: the quorum q, with a limit that has not been used yet.
start_148()
{
    start_quorum q quorum-child.img0="$(uri_of img0)" quorum-child.img1="$(uri_of img1)" \
        quorum-child.img2="$(uri_of img2)" quorum-threshold=2 quorum-read-pattern="$1"
    watch_events q
}

# read_sectors SECTOR...: one after the other, by one client.
read_sectors()
{
    local sector reads=()
    for sector; do reads+=(-c "read $((sector * 512)) 512"); done
    qemu_io q "${reads[@]}"
}

# bad I: the event for sector 10+I of child I.
bad() { echo "BAD img$1 read $((10 + $1))+1 Input/output error"; }

# Milliseconds.
now() { echo $(($(date +%s%N) / 1000000)); }
