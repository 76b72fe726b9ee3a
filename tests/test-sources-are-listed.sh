#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Every source, test and man page in the tree is in the Makefile.am of its
# folder; else it is neither built nor in the tarball, and nobody notices.
. "${0%/*}/functions.sh"

# is_listed FILE: its folder's Makefile.am, or the nearest one above, names it.
is_listed()
{
    local folder=${1%/*} name=${1##*/}
    while [ ! -e "$folder/Makefile.am" ]; do
        [ "$folder" != "${folder%/*}" ] || return 1
        name=${folder##*/}/$name
        folder=${folder%/*}
    done
    # A test program is named without its extension.
    tr -s '[:space:]' '\n' < "$folder/Makefile.am" |
        grep -x -F -e "$name" -e "${name%.cc}" > /dev/null
}

# check FOLDER PATTERN...
check()
{
    local folder=$1 file missing=() patterns=()
    shift
    for file; do patterns+=(-o -name "$file"); done
    while read -r file; do
        is_listed "$file" || missing+=("$file")
    done < <(find "$folder" \( -name build -prune \) -o -type f \( "${patterns[@]:1}" \) -print)
    is "${missing[*]}" "" "all files of $folder are listed"
}

cd "$abs_top_srcdir" || bail_out "no $abs_top_srcdir"
for folder in common filters plugins tools tests; do
    check "$folder" '*.cc' '*.h' '*.hpp'
done
check tests 'test-*.sh'
check man '*.pod'
check bench '*.sh'

done_testing
