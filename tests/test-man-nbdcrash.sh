#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The manual of nbdcrash is complete: commands, options, JSON keys; and what it
# shows can be done as it stands there.
. "${0%/*}/nbdcrash-functions.sh"
requires podchecker nbdkit
page=$abs_top_srcdir/man/nbdcrash.pod
ok "the page is POD as it should be" podchecker -warnings -warnings "$page"

commands=$(crash --help | sed -n '/^Subcommands:/,/^$/s/^  \([a-z]*\) .*/\1/p')
is "$(wc -w <<< "$commands")" 15 "there are fifteen commands"
missing=
for command in $commands; do
    grep -q "^=item B<$command>" "$page" || missing+=" $command"
    for option in $(crash "$command" --help | grep -o -E -e '--[a-z-]+' | sort -u); do
        grep -q -F -e "B<$option>" -e "I<$option>" "$page" || missing+=" $command$option"
    done
done
is "$missing" "" "each command and option is explained"

# The keys of a document, of objects in it, and of the elements of arrays.
keys()
{
    crash "$@" --json 2> /dev/null | perl -MJSON::PP -0777 -e '
        sub walk {
            my $v = shift;
            if (ref $v eq "HASH") { print "$_\n" for keys %$v; walk($_) for values %$v }
            if (ref $v eq "ARRAY") { walk($_) for @$v }
        }
        walk(decode_json(<STDIN>))' | sort -u
}
# undocumented COMMAND ARGUMENT...: keys that its part of the page does not have.
undocumented()
{
    local key part
    part=$(sed -n '/^=head1 JSON/,/^=head1 REPLAY/p' "$page" |
        sed -n "/^=item B<$1>/,/^=item\|^=back/p")
    for key in $(keys "$@"); do
        [[ $key =~ ^(damage|entry|position|text)$ ]] || grep -q -F "C<$key>" <<< "$part" ||
            echo "$key"
    done
}
use_log qemu/h02
for arguments in "info $log --check-bodies" "list $log" "marks $samples/synthetic/syn1.log" \
    "epochs $log" "stats $log" "diff $log 0 end" "replay $log $tmpdir/image" \
    "verify $log $samples/README.md" "repair $log" "convert $log $tmpdir/out" \
    "compact $log $tmpdir/out2"; do
    # shellcheck disable=SC2086
    is "$(undocumented $arguments)" "" "the keys of ${arguments%% *}"
done

# The examples, on logs of the names that they use.
mkdir "$tmpdir/examples" && cd "$tmpdir/examples" || exit 1
PATH=$abs_top_builddir/tools/nbdcrash:$PATH
failed=
examples=0
while read -r line; do
    rm -f ./*.img ./*.log ./*.idx
    cp "$samples/fs/ext4-8m-barrier.log" disk.log
    cp "$samples/qemu/h02.log" qemu.log
    [[ ! $line =~ sector-size\ 512$ ]] || cp "$samples/qemu/h01.log" qemu.log
    empty_image before.img 8M
    nbdcrash replay disk.log disk.img --to end > /dev/null
    [[ ! $line =~ --from ]] || nbdcrash replay disk.log copy.img --to flush:1 > /dev/null
    timeout 60 bash -c "$line" > example.out 2>&1
    status=$?
    examples=$((examples + 1))
    [ $status -le 1 ] || failed+=$'\n'"$status: $line: $(cat example.out)"
done < <(sed -e ':a; /\\$/ { N; s/\\\n */ /; ba }' "$page" | sed -n 's/^ \$ \(nbdcrash .*\)/\1/p' |
    grep -v -E 'mark:|/dev/|nbd://|tail\.log|a\.qcow2|drop=|torn=|jq|small\.log --sector')
is "$failed" "" "$examples examples run as they stand there"
ok "that is most of them" test "$examples" -ge 20

done_testing
