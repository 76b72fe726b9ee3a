#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The manual page of replication is complete: each parameter, command and event is
# explained, and the examples of a secondary run as they stand.
. "${0%/*}/replication-functions.sh"
. "${0%/*}/man-functions.sh"
requires podchecker pod2man

page=$abs_top_srcdir/man/nbdkit-replication-filter.pod
ok "POD as it should be" podchecker -warnings -warnings "$page"
items=$(grep '^=item' "$page"; sed -n '/^=item/,/^$/p' "$page")

help_of filter "$replication_filter" > "$tmpdir/help"
page_agrees "the page" "$tmpdir/help" "$page"
[ ${#parameters[@]} -ge 20 ] || fail "the help has only ${#parameters[@]} parameters"

missing=()
for event in $(grep -o -h '"REPLICATION_[A-Z_]*"' "$abs_top_srcdir"/filters/replication/*/*.cc |
    tr -d '"' | sort -u); do
    grep -q -F "B<$event>" <<< "$items" || missing+=("$event")
done
is "${missing[*]}" "" "each event is explained"

truncate -s 1M "$tmpdir/s.disk"
start_secondary s
missing=()
while read -r command; do
    grep -q -F "B<$command>" <<< "$items" || missing+=("$command")
done < <("$nbdctl" "$(control_of s)" query-commands --json |
    perl -MJSON::PP -e 'for (@{decode_json(join "", <STDIN>)}) { print "$_->{name}\n" unless $_->{name} =~ /query-(commands|version)/ }')
is "${missing[*]}" "" "each command of a secondary is explained"
while read -r line; do
    # shellcheck disable=SC2086
    ok "$line" timeout 30 "$nbdctl" "$(control_of s)" ${line#nbdctl /run/standby.sock }
done < <(sed -n '/^=head1 COMMANDS/,/^=head1 EVENTS/s/^ \(nbdctl \)/\1/p' "$page")
done_testing
