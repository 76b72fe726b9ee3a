#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What the manual pages of the quorum say is complete and true: each parameter
# and command is explained and has an example, and the examples run as they
# stand.
. "${0%/*}/functions.sh"
. "${0%/*}/man-functions.sh"
requires nbdkit nbdcopy qemu-nbd qemu-img podchecker pod2man

cd "$tmpdir" || exit 1
man=$abs_top_srcdir/man
declare -A page=([filter]="$man/nbdkit-quorum-filter.pod" [plugin]="$man/nbdkit-quorum-plugin.pod")

# The example command lines of a page, one per line, those that continue joined.
commands_in() { sed -n '/^=head1 DESCRIPTION/,$p' "$1" | sed -e ':a; /\\$/ { N; s/\\\n */ /; ba }' | grep -E '^ (nbdkit|nbdctl) ' | sed 's/^ //'; }

# The commands of the page for one that is run here, with our modules.
runnable() { sed -e "s|--filter=quorum|--filter=$quorum_filter|" -e "s|^nbdkit \(-U [^ ]* \)\?quorum |nbdkit \1$quorum_plugin |"; }

# ---- the parameters

for form in filter plugin; do
    "$man/expand-pod" "${page[$form]}" > "$form.pod"
    for what in "$form.pod" "${page[$form]}"; do
        ok "${what##*/} is POD as it should be" podchecker -warnings -warnings "$what"
    done
    unlike "$(cat "$form.pod")" '@SERVE@' "$form: nothing is left to be replaced"
    commands_in "$form.pod" > "$form.examples"

    module=quorum_$form
    help_of $form "${!module}" > help
    page_agrees $form help "$form.pod"
    [ ${#parameters[@]} -ge 14 ] || fail "the help of the $form has only ${#parameters[@]} parameters"
    has_examples "$form" "$form.examples"
done

# ---- the examples of nbdkit

for image in a b c d e 'my disk'; do
    empty_image "$image.img" 1M
done
qemu-img create -q -f qcow2 b.qcow2 1M

# What an example may need, and where it listens, is brought here.
start_nbdkit b memory 1M
mv b.sock b.socket && ln -s b.socket b.sock

run_example() { eval "nbdkit -U - ${1#nbdkit} --run true"; }
for form in filter plugin; do
    count=0
    while read -r line; do
        case $line in
            nbdctl* | *.example*) continue ;;  # below; a host that does not exist
        esac
        rm -f disk.sock ./*.quorum # each is a set of its own
        ok "$form: $line" timeout 60 bash -c "$(declare -f run_example); run_example \"\$1\"" \
            run "$(runnable <<< "$line")"
        count=$((count + 1))
    done < "$form.examples"
    [ $count -ge 15 ] || fail "$form: only $count examples were found"
done

# ---- those of nbdctl, in the order of the page, on one server whose resyncs take long
# enough to be cancelled

mapfile -t commands < <(grep '^nbdctl' plugin.examples)
is "${commands[*]}" "$(grep '^nbdctl' filter.examples | paste -s -d ' ')" \
    "both pages have the same commands"
# Holes would be filled at once.
for image in a b c; do head -c 1M /dev/zero | tr '\0' A > $image.img; done
rm -f ./*.quorum
start_nbdkit disk "$quorum_plugin" quorum-child.a=a.img quorum-child.b=b.img \
    quorum-child.c=c.img quorum-control=disk.ctl quorum-resync-rate=512K
PATH=${nbdctl%/*}:$PATH
for line in "${commands[@]}"; do
    if [[ $line == *' watch' ]]; then
        line="$line --timeout=1"
    fi
    # Nobody is foreign here: see test-quorum-foreign-while-down.sh.
    [[ $line != *' child-accept '* ]] || continue
    # shellcheck disable=SC2086
    ok "$line" timeout 60 $line
done

# ---- the commands

missing=()
count=0
while read -r command; do
    count=$((count + 1))
    for form in filter plugin; do
        grep '^=item\|^B<blockdev' "$form.pod" | grep -F "B<$command>" > /dev/null || missing+=("$form: $command")
    done
    case $command in blockdev-snapshot*) continue ;; esac
    printf '%s\n' "${commands[@]}" | grep -E " $command( |$)" > /dev/null || missing+=("example of $command")
done < <("$nbdctl" disk.ctl query-commands --json |
    perl -MJSON::PP -e 'print "$_->{name}\n" for @{decode_json(join "", <STDIN>)}')
[ $count -ge 15 ] || fail "the server has only $count commands"
is "${missing[*]}" "" "each command is explained and has an example"

# ---- the events

missing=()
for event in $(grep -o -h '"QUORUM_[A-Z_]*"' "$abs_top_srcdir"/filters/quorum/*.cc | tr -d '"' | sort -u); do
    grep '^=item' filter.pod | grep -q -F "B<$event>" || missing+=("$event")
done
is "${missing[*]}" "" "each event is explained"

done_testing
