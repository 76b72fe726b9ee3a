#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What the manual page of the logreplay plugin says is complete and true: each
# parameter and command is explained, and the examples run as they stand.
. "${0%/*}/logreplay-functions.sh"
. "${0%/*}/man-functions.sh"
requires podchecker qemu-img

cd "$tmpdir" || exit 1
page=$abs_top_srcdir/man/nbdkit-logreplay-plugin.pod
ok "the page is POD as it should be" podchecker -warnings -warnings "$page"

# The example command lines before the long example, those that continue joined.
sed -n '/^=head1 DESCRIPTION/,/^=head1 EXAMPLE/p' "$page" |
    sed -e ':a; /\\$/ { N; s/\\\n */ /; ba }' |
    grep -E '^ (nbdkit|nbdctl|nbdinfo|nbdcopy|qemu-img) ' | sed 's/^ //' > examples

help_of plugin "$logreplay_plugin" > help
page_agrees "the page" help "$page"
has_examples "the page" examples log
is ${#parameters[@]} 7 "there are seven parameters"

make_log 'write:0:8:1' 'flush' 'mark:here' 'write:0:8:2' 'discard:8:8'
mv "$log" disk.log
empty_image disk-before.img 1M
qemu-img create -q -f qcow2 disk-before.qcow2 1M
mkdir overlays
while read -r line; do
    line=${line/ logreplay / $logreplay_plugin }
    ok "$line" timeout 60 bash -c "nbdkit ${line#nbdkit -U disk.sock} -U - --run 'nbdinfo --size \"\$uri\"'"
done < <(grep '^nbdkit' examples)

start_nbdkit disk "$logreplay_plugin" disk.log logreplay-control=disk.ctl
PATH=${nbdctl%/*}:$PATH
while read -r line; do
    ok "$line" timeout 60 bash -c "$line"
done < <(grep -v '^nbdkit' examples)

missing=()
for command in $(nbdctl disk.ctl query-commands --json |
    perl -MJSON::PP -e 'print "$_->{name}\n" for @{decode_json(join "", <STDIN>)}'); do
    case $command in query-commands | query-version) continue ;; esac
    grep -q "^=item B<$command>" "$page" || missing+=("$command")
    grep -q "^nbdctl .* $command" examples || missing+=("example of $command")
done
is "${missing[*]}" "" "each command is explained and has an example"

# The numbers that the page gives.
for limit in most_listed_marks most_listed_flushes; do
    value=$(sed -n "s/.*$limit = \([0-9]*\);/\1/p" "$abs_top_srcdir/plugins/logreplay/export_list.h")
    ok "$limit" grep -q -E "(^| )$value (marks|flushes)" "$page"
done
done_testing
