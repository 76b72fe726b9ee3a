# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# For the cases of QEMU's iotest 312 (test-quorum-312-*.sh), block status.  Three
# children, qcow2 images of 10 MiB with clusters of 64 KiB behind qemu-nbd; all
# data that is ever written is zeroes, so only the maps differ.

. "${BASH_SOURCE[0]%/*}/quorum-functions.sh"

requires qemu-nbd qemu-img

for i in 0 1 2; do
    timeout 20 qemu-img create -q -f qcow2 -o cluster_size=64k "$tmpdir/$i.qcow2" 10M
    start_qemu_nbd "child$i" -f qcow2 "$tmpdir/$i.qcow2"
done
start_quorum q "$(uri_of child0)" "$(uri_of child1)" "$(uri_of child2)" quorum-threshold=2

# on_child I COMMAND...: behind the quorum's back.
on_child()
{
    local child=child$1
    shift
    ok "$child: $*" qemu_io "$child" -c "$*"
}

# status_map NAME: what is not a zero, one extent per line as OFFSET+LENGTH.
status_map()
{
    timeout 30 qemu-img map --output=json -f raw "$(uri_of "$1")" | perl -MJSON::PP -e '
        local $/;
        my @extents = grep { !$_->{zero} } @{decode_json(<STDIN>)};
        my @merged;
        for my $extent (@extents) {
            if (@merged && $merged[-1][0] + $merged[-1][1] == $extent->{start}) {
                $merged[-1][1] += $extent->{length};
            } else {
                push @merged, [$extent->{start}, $extent->{length}];
            }
        }
        printf "0x%x+0x%x\n", @$_ for @merged;'
}
