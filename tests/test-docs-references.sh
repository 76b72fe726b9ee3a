#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What the documents point to is there: tests, other documents, sources, functions
# of the sources that rules are named after.
. "${0%/*}/functions.sh"

cd "$abs_top_srcdir" || bail_out "no $abs_top_srcdir"
documents=(README.md docs/*.md)

missing=()
while IFS=: read -r document name; do
    case $name in
        unit/*) file=tests/$name.cc ;;
        *) file=tests/$name ;;
    esac
    [ -e "$file" ] || missing+=("$document: $name")
done < <(grep -o -E '`(unit/)?test-[a-zA-Z0-9-]+(\.sh)?`' "${documents[@]}" | tr -d '`')
is "${missing[*]}" "" "all tests that are named exist"

missing=()
while IFS=: read -r document link; do
    link=${link#](} link=${link%)}
    [[ $link == http* ]] || [ -e "${document%/*}/$link" ] || [ -e "$link" ] ||
        missing+=("$document: $link")
done < <(grep -o -E '\]\([^)#]+\)' "${documents[@]}")
is "${missing[*]}" "" "all links lead somewhere"

missing=()
while IFS=: read -r document path; do
    [ -e "$path" ] || missing+=("$document: $path")
done < <(grep -o -E '`(common|filters|plugins|tools|man|scripts)/[a-zA-Z0-9_./-]+`' \
    "${documents[@]}" | tr -d '`')
is "${missing[*]}" "" "all sources that are named exist"

missing=()
while read -r name; do
    name=${name##*::}
    grep -q -r -w -e "$name" filters common || missing+=("$name")
done < <(grep -o -E '`[A-Za-z]+(::[a-z_]+|[a-z_]*\(\))`|`[a-z_]+\(\)`' docs/consistency.md | tr -d '`()')
is "${missing[*]}" "" "all functions that a rule is named after exist"
done_testing
