#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What the manual page of the blkverify filter says is complete and true: each
# parameter, command and event is explained and has an example, and the examples
# run as they stand.
. "${0%/*}/functions.sh"
. "${0%/*}/man-functions.sh"
requires nbdkit nbdinfo nbdcopy qemu-nbd qemu-img podchecker

cd "$tmpdir" || exit 1
page=$abs_top_srcdir/man/nbdkit-blkverify-filter.pod
ok "the page is POD as it should be" podchecker -warnings -warnings "$page"

sed -n '/^=head1 DESCRIPTION/,$p' "$page" | sed -e ':a; /\\$/ { N; s/\\\n */ /; ba }' |
    grep -E '^ (nbdkit|nbdctl|nbdcopy) ' | sed 's/^ //' > examples

help_of filter "$blkverify_filter" > help
page_agrees "the page" help "$page"
has_examples "the page" examples
missing=()
for mode in error report; do
    grep -q -F "blkverify-on-mismatch=$mode" examples || missing+=("example of $mode")
done
is "${#parameters[@]} ${missing[*]}" "7 " "there are seven parameters, and each mode has an example"

empty_image new.img 1M
empty_image reference.img 1M
qemu-img create -q -f qcow2 reference.qcow2 1M
count=0
while read -r line; do
    case $line in
        *.example*) continue ;;  # a host that does not exist
        nbdcopy*) ok "$line" timeout 60 bash -c "$line" ;;
        *--run*) ok "$line" timeout 60 bash -c "nbdkit -U - --filter=$blkverify_filter ${line#*--filter=blkverify}" ;;
        nbdkit*)
            rm -f verify.ctl
            line=${line/--filter=blkverify/--filter=$blkverify_filter}
            ok "$line" timeout 60 bash -c "nbdkit -U - ${line#nbdkit} --run 'nbdinfo --size \"\$uri\"'"
            ;;
        *) continue ;;
    esac
    count=$((count + 1))
done < examples
ok "most examples were run ($count)" test $count -ge 9

printf x | dd of=new.img bs=1 seek=700 conv=notrunc status=none
rm -f verify.ctl
start_nbdkit verify --filter="$blkverify_filter" file new.img blkverify-raw=reference.img \
    blkverify-control=verify.ctl blkverify-on-mismatch=report
timeout 60 nbdcopy "$(uri_of verify)" null:
PATH=${nbdctl%/*}:$PATH
while read -r line; do
    case $line in
        nbdctl*watch) ok "$line" timeout 60 bash -c "$line --timeout=1" ;;
        nbdctl*) ok "$line" timeout 60 bash -c "$line" ;;
    esac
done < examples

missing=()
for command in $(nbdctl verify.ctl query-commands --json |
    perl -MJSON::PP -e 'print "$_->{name}\n" for @{decode_json(join "", <STDIN>)}'); do
    case $command in query-commands | query-version) continue ;; esac
    grep -q "^=item B<$command>" "$page" || missing+=("$command")
    grep -q "^nbdctl .* $command" examples || missing+=("example of $command")
done
for event in $(grep -o -h '"BLKVERIFY_[A-Z_]*"' "$abs_top_srcdir"/filters/blkverify/*.cc | tr -d '"' | sort -u); do
    grep -q "^=item B<$event>" "$page" || missing+=("$event")
done
is "${missing[*]}" "" "each command and event is explained"
done_testing
