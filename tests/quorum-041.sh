# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# For the cases of QEMU's iotest 041 about repairing a quorum
# (test-quorum-041-*.sh).  Where QEMU mirrors to a new image and swaps it in, here
# a child is added, filled by the resync, and the broken one removed.
#
# The quorum quorum0 with threshold 2 over img0, img1, img2, all equal; repair0 is
# an image with other content.

. "${BASH_SOURCE[0]%/*}/quorum-functions.sh"

# start_041 SIZE [KEY=VALUE...]
start_041()
{
    local i
    random_image "$tmpdir/img0" "$1" 41
    for i in 1 2; do cp "$tmpdir/img0" "$tmpdir/img$i"; done
    random_image "$tmpdir/repair0" "$1" 42
    shift
    start_quorum q quorum-child.img0="$tmpdir/img0" quorum-child.img1="$tmpdir/img1" \
        quorum-child.img2="$tmpdir/img2" quorum-threshold=2 quorum-name=quorum0 "$@"
    watch_events q
}

# The children, as long as nothing has changed.
# shellcheck disable=SC2034
before="children.0=img0 children.1=img1 children.2=img2"

# add_repair0: opens it and adds it; the resync begins.
add_repair0()
{
    does "repair0 is opened" blockdev-add node-name=repair0 driver=file \
        filename="$tmpdir/repair0"
    does "and added" x-blockdev-change parent=quorum0 node=repair0
}

# remove_child N: by its name, children.N.
remove_child() { does "children.$1 is removed" x-blockdev-change parent=quorum0 child="children.$1"; }

# resync_value NODE KEY: of query-resync.
resync_value()
{
    control query-resync
    perl -MJSON::PP -e 'my ($at) = grep { $_->{child} eq $ARGV[1] }
        @{decode_json($ARGV[0])->{return}}; print $at->{$ARGV[2]} // "";' "$answer" "$1" "$2"
}
resync_is() { [ "$(resync_value "$1" state)" = "$2" ]; }

# other_writer NAME IMAGE: another program that has the image open for writing.
other_writer() { start_qemu_nbd "$1" -f raw "$2"; }
