#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 1800
#
# Every header includes what it uses, and can be included twice.
#
# The build has compiled those that their .cc file includes before anything else; the
# others are compiled here (NBDRES_LONG=1: all of them).
. "${0%/*}/functions.sh"

compiler=$(cat "$abs_top_builddir/tests/compile-command") ||
    bail_out "no tests/compile-command; run make check"

cd "$abs_top_srcdir" || bail_out "no $abs_top_srcdir"
mapfile -t headers < <(find common filters plugins tools tests \
    \( -name build -o -name catch3 \) -prune -o -type f -name '*.h' -print | sort)

# built HEADER: whether the build has shown it.
built()
{
    [ "${NBDRES_LONG:-0}" != 1 ] && [ -f "${1%.h}.cc" ] &&
        [ "$(grep -m 1 '^#include' "${1%.h}.cc")" = "#include \"$1\"" ]
}
mapfile -t alone < <(for header in "${headers[@]}"; do built "$header" || echo "$header"; done)

# compile HEADER: leaves what the compiler says in $tmpdir/HEADER.out.  The name
# of the source is relative, so that a compiler cache knows it the next time.
compile()
{
    local name=${1//\//_}
    cd "$tmpdir" || exit 1
    printf '#include "%s"\n#include "%s"\n' "$1" "$1" > "$name.cc"
    # shellcheck disable=SC2086
    timeout 120 $compiler -g0 -O0 -fvisibility=hidden -include "$abs_top_builddir/config.h" \
        -I"$abs_top_srcdir" -c -o "$name.o" "$name.cc" > "$name.out" 2>&1 ||
        echo "status $?" >> "$name.out"
}
export -f compile
export compiler abs_top_srcdir abs_top_builddir
printf '%s\0' "${alone[@]}" | xargs -0 -n 1 -P "$(nproc)" bash -c "compile \"\$1\"" bash

for header in "${headers[@]}"; do
    if [ "$have_catch" = no ] && grep -q 'include <catch2/' "$header"; then
        skip "$header" "no Catch2 here"
        continue
    fi
    output=$tmpdir/${header//\//_}.out
    if [ -e "$output" ]; then
        is "$(cat "$output")" "" "$header"
    else
        is "$(grep -c '^#pragma once$' "$header")" 1 "$header: it is what its source includes first"
    fi
done

done_testing
