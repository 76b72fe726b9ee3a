#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What the manual pages of copy-on-read say is complete and true: each parameter,
# command and event is explained, and the examples run as they stand.
. "${0%/*}/functions.sh"
. "${0%/*}/man-functions.sh"
requires nbdkit qemu-nbd qemu-img podchecker pod2man

cd "$tmpdir" || exit 1
man=$abs_top_srcdir/man

# The example command lines of a page, one per line, those that continue joined.
commands_in() { sed -n '/^=head1 DESCRIPTION/,$p' "$1" | sed -e ':a; /\\$/ { N; s/\\\n */ /; ba }' | grep -E '^ (nbdkit|nbdctl) ' | sed 's/^ //'; }
runnable() { sed -e "s|--filter=copy-on-read|--filter=$cor_filter|" -e "s|^nbdkit copy-on-read |nbdkit $cor_plugin |"; }
run_example() { eval "nbdkit -U - ${1#nbdkit} --run true"; }

empty_image source.img 1M
qemu-img create -q -f qcow2 b.qcow2 1M
qemu-img create -q -f qcow2 -b b.qcow2 -F qcow2 top.qcow2
for form in filter plugin; do
    page=$man/nbdkit-copy-on-read-$form.pod
    "$man/expand-pod" "$page" > $form.pod
    ok "$form: POD as it should be" podchecker -warnings -warnings $form.pod
    unlike "$(cat $form.pod)" '@SERVE@' "$form: nothing is left to be replaced"
    commands_in $form.pod > $form.examples
    module=cor_$form
    help_of $form "${!module}" > help
    page_agrees $form help $form.pod cor-source "$([ $form = plugin ] || echo cor-max-depth)"
    [ ${#parameters[@]} -ge 10 ] || fail "the help of the $form has only ${#parameters[@]} parameters"
    has_examples $form $form.examples

    count=0
    while read -r line; do
        case $line in
            nbdctl* | *.example/* | 'nbdkit file image.raw') continue ;;
        esac
        rm -f ./*.raw ./*.raw.map cor.ctl boot.trace
        ok "$form: $line" timeout 60 bash -c "$(declare -f run_example); run_example \"\$1\"" \
            run "$(runnable <<< "$line")"
        count=$((count + 1))
    done < $form.examples
    [ $count -ge 10 ] || fail "$form: only $count examples were found"
done

mapfile -t commands < <(grep '^nbdctl' plugin.examples)
rm -f ./*.raw ./*.raw.map
start_nbdkit disk "$cor_plugin" source.img cor-file=image.raw cor-control=cor.ctl
PATH=${nbdctl%/*}:$PATH
for line in "${commands[@]}"; do
    # shellcheck disable=SC2086
    ok "$line" timeout 60 $line
done

missing=()
while read -r command; do
    grep '^=item' plugin.pod | grep -q -F "B<$command>" || missing+=("$command")
    printf '%s\n' "${commands[@]}" | grep -q -E " $command( |$)" || missing+=("example of $command")
done < <("$nbdctl" cor.ctl query-commands --json |
    perl -MJSON::PP -e 'for (@{decode_json(join "", <STDIN>)}) { print "$_->{name}\n" unless $_->{name} =~ /query-(commands|version)/ }')
is "${missing[*]}" "" "each command is explained and has an example"

missing=()
for event in $(grep -o -h '"COR_[A-Z_]*"' "$abs_top_srcdir"/filters/copy-on-read/*.cc | tr -d '"' | sort -u); do
    grep '^=item' filter.pod | grep -q -F "B<$event>" || missing+=("$event")
done
is "${missing[*]}" "" "each event is explained"
done_testing
