#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What the manual page of the logwrites filter says is complete and true: each
# parameter, command and event is explained, and the examples run as they stand.
. "${0%/*}/functions.sh"
. "${0%/*}/man-functions.sh"
requires nbdkit nbdinfo podchecker

cd "$tmpdir" || exit 1
page=$abs_top_srcdir/man/nbdkit-logwrites-filter.pod
ok "the page is POD as it should be" podchecker -warnings -warnings "$page"

commands_in() { sed -n '/^=head1 PARAMETERS/,/^=head1 EXAMPLE/p' "$1" | sed -e ':a; /\\$/ { N; s/\\\n */ /; ba }' | grep -E '^ (nbdkit|nbdctl|nbdinfo) ' | sed 's/^ //'; }
commands_in "$page" > examples

help_of filter "$logwrites_filter" > help
page_agrees "the page" help "$page"
has_examples "the page" examples
is ${#parameters[@]} 9 "there are nine parameters"

empty_image disk.img 1M
empty_image store 4M
start_nbdkit store file store
while read -r line; do
    case $line in nbdkit*) ;; *) continue ;; esac
    rm -f disk.sock disk.ctl
    line=${line/--filter=logwrites/--filter=$logwrites_filter}
    ok "$line" timeout 60 bash -c "nbdkit -U - ${line#nbdkit} --run 'nbdinfo --size \"\$uri\"'"
done < examples

start_nbdkit disk --filter="$logwrites_filter" file disk.img logwrites-log=disk.log \
    logwrites-control=disk.ctl
PATH=${nbdctl%/*}:$PATH
while read -r line; do
    case $line in nbdkit*) continue ;; esac
    ok "$line" timeout 60 bash -c "$line"
done < examples

missing=()
for command in $(nbdctl disk.ctl query-commands --json |
    perl -MJSON::PP -e 'print "$_->{name}\n" for @{decode_json(join "", <STDIN>)}'); do
    case $command in query-commands|query-version) continue ;; esac
    grep -q "^=item B<$command>" "$page" || missing+=("$command")
done
for event in $(grep -o -h '"LOGWRITES_[A-Z_]*"' "$abs_top_srcdir"/filters/logwrites/*.cc | tr -d '"' | sort -u); do
    grep -q "^=item B<$event>" "$page" || missing+=("$event")
done
for name in $(grep -o -h '"logwrites-[a-z-]*"' "$abs_top_srcdir/filters/logwrites/marks.h" | tr -d '"'); do
    grep -q -F "C<$name>" "$page" || missing+=("$name")
done
is "${missing[*]}" "" "each command, event and mark of the filter's own is explained"
done_testing
