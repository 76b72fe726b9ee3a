# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# For the tests of manual pages (test-man-*.sh): --help is made of the table that a
# module parses its parameters with, so a page that agrees with it is complete.

# help_of filter|plugin MODULE: what --help says about the module.
help_of()
{
    if [ "$1" = filter ]; then
        nbdkit --filter="$2" null --help | sed '/^plugin: null/,$d'
    else
        nbdkit "$2" --help
    fi
}

# page_agrees NAME HELP PAGE [PARAMETER...]: the parameters that the file HELP names
# are those that the page explains, no more and no less, and all but the given ones are
# in its SYNOPSIS.  They are in the array $parameters then.
page_agrees()
{
    local name=$1 help=$2 page=$3 parameter items
    shift 3
    mapfile -t parameters < <(sed -n 's/^\([a-zA-Z.-]*\)=.*/\1/p' "$help")
    items=$(sed -n 's/^=item //p' "$page" | sed -e ':a; s/[A-Z]<\([^<>]*\)>/\1/; ta' |
        sed -n 's/^\([a-z][a-zA-Z.-]*\)=.*/\1/p' | sort -u)
    is "$items" "$(printf '%s\n' "${parameters[@]}" | sort)" "$name: explains what --help names"
    for parameter in "${parameters[@]}"; do
        [[ " $* " = *" $parameter "* ]] ||
            ok "$name: $parameter is in the SYNOPSIS" synopsis_has "$page" "$parameter"
    done
}
synopsis_has() { sed -n '/^=head1 SYNOPSIS/,/^=head1 DESCRIPTION/p' "$1" | grep -q -F -e "$2="; }

# has_examples NAME EXAMPLES [PARAMETER...]: each of $parameters but the given ones is in
# a command of the file EXAMPLES.
has_examples()
{
    local name=$1 examples=$2 parameter regex missing=()
    shift 2
    for parameter in "${parameters[@]}"; do
        regex=${parameter//./\\.}
        regex=${regex//NAME/[a-z0-9]+}
        [[ " $* " = *" $parameter "* ]] || grep -q -E -e " $regex=" "$examples" ||
            missing+=("$parameter")
    done
    is "${missing[*]}" "" "$name: each parameter has an example"
}
