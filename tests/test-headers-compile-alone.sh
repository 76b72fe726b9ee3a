#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Every header includes what it uses, and can be included twice.
. "${0%/*}/functions.sh"

compiler=$(cat "$abs_top_builddir/tests/compile-command") ||
    bail_out "no tests/compile-command; run make check"

cd "$abs_top_srcdir" || bail_out "no $abs_top_srcdir"
mapfile -t headers < <(find common filters plugins tools tests \
    \( -name build -o -name catch3 \) -prune -o -type f -name '*.h' -print | sort)

# compile HEADER: leaves $tmpdir/HEADER.log, empty if all is well.
compile()
{
    local source=$tmpdir/${1//\//_}.cc
    printf '#include "%s"\n#include "%s"\n' "$1" "$1" > "$source"
    # shellcheck disable=SC2086
    timeout 120 $compiler -g0 -O0 -fvisibility=hidden -include "$abs_top_builddir/config.h" \
        -I"$abs_top_srcdir" -c -o "$source.o" "$source" > "$source.out" 2>&1 ||
        echo "status $?" >> "$source.out"
}
export -f compile
export compiler abs_top_srcdir abs_top_builddir
printf '%s\0' "${headers[@]}" | xargs -0 -n 1 -P "$(nproc)" bash -c "compile \"\$1\"" bash

for header in "${headers[@]}"; do
    output=$(cat "$tmpdir/${header//\//_}.cc.out")
    is "$output" "" "$header"
done

done_testing
