#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 600
#
# The tools, and libfuse and CLI11 that only they need, can be left out: configure
# says so at its end, and the modules are built all the same.  NBDRES_LONG=1: and what
# happens to who insists, or says no.
. "${0%/*}/functions.sh"
requires make

configure=$abs_top_srcdir/configure
[ -x "$configure" ] || skip_all "no configure script here"

# What the build that is tested has found out about this machine is not asked again.
sed -n '/^## Cache variables/,/^## Output variables/p' "$abs_top_builddir/config.log" |
    grep -E '^[a-z0-9]+_cv_' |
    grep -v -E '^(ac_cv_env_|pkg_cv_|ac_cv_header_CLI|[a-z_]*PKG_CONFIG)' > "$tmpdir/known"

# A pkg-config that has never heard of the packages in $hidden.
mkdir "$tmpdir/bin"
real_pkg_config=$(command -v pkg-config) || skip_all "no pkg-config here"
cat > "$tmpdir/bin/pkg-config" <<'X'
#!/bin/sh
for word; do
    case " $hidden " in *" ${word%% *} "*) echo "no package $word" >&2; exit 1 ;; esac
done
exec "$real_pkg_config" "$@"
X
chmod +x "$tmpdir/bin/pkg-config"
export real_pkg_config
PATH=$tmpdir/bin:$PATH
unset CC CXX CFLAGS CXXFLAGS CPPFLAGS LDFLAGS PKG_CONFIG

# configure_in FOLDER OPTION...: in $tmpdir/FOLDER, quietly; $tmpdir/FOLDER/summary is
# what it says at its end.
configure_in()
{
    local folder=$tmpdir/$1 status
    shift
    mkdir -p "$folder"
    cp "$tmpdir/known" "$folder/known"
    (cd "$folder" && timeout 300 "$configure" --cache-file=known \
        --disable-dependency-tracking "$@") > "$folder/log" 2>&1
    status=$?
    sed -n '/^  nbdkit-resilience/,$p' "$folder/log" > "$folder/summary"
    [ $status -eq 0 ] || diag "$(tail -n 5 "$folder/log")"
    return $status
}

# summary FOLDER LINE: what follows LINE there.
summary() { sed -n "s/^  $2 *//p" "$tmpdir/$1/summary"; }

# would_build FOLDER SUBFOLDER: what make makes there: folders, programs, modules, pages,
# and the sources of nbdcrash.
# shellcheck disable=SC2016
would_build()
{
    printf 'include Makefile\nwhat-there-is:\n\t@echo %s\n' \
        '$(SUBDIRS) $(PROGRAMS) $(LTLIBRARIES) $(MANS) $(nbdcrash_SOURCES)' |
        timeout 60 make -s -C "$tmpdir/$1/$2" -f - what-there-is 2>&1
}

export hidden='CLI11 fuse3'
ok "configure does without CLI11 and libfuse" \
    configure_in bare ac_cv_header_CLI_CLI_hpp=no
like "$(summary bare tools)" '^no: CLI11 is missing' "it says that there are no tools, and why"
like "$(summary bare simulations)" '^no: CLI11 is missing' "and no simulations"
unlike "$(would_build bare tools)" 'nbdctl' "no nbdctl is built"
unlike "$(would_build bare tools/nbdcrash)" '(^| )nbdcrash( |$)' "and no nbdcrash"
like "$(would_build bare filters/quorum)" 'nbdkit-quorum-filter\.la' "the filter quorum is"
like "$(would_build bare plugins/logreplay)" 'nbdkit-logreplay-plugin\.la' "a plugin, too"
unlike "$(would_build bare man)" 'nbdctl|nbdcrash' "there are no pages about tools"
like "$(would_build bare man)" 'nbdkit-quorum-filter' "but those of the modules"
[ "${NBDRES_LONG:-0}" = 0 ] ||
    fails_like "--enable-tools insists" 'tools cannot be built: CLI11 is missing' \
        configure_in insists --no-create --enable-tools ac_cv_header_CLI_CLI_hpp=no

hidden=fuse3
if [ "$have_cli11" = yes ]; then
    ok "configure does without libfuse" configure_in fuseless
    like "$(summary fuseless 'nbdcrash explore')" '^no: libfuse .* is missing' \
        "it says that crash states cannot be checked, and why"
    is "$(summary fuseless tools)" yes "the tools are built"
    output=$(would_build fuseless tools/nbdcrash)
    like "$output" 'explore/no_fuse_file\.cc' "nbdcrash with what refuses"
    unlike "$output" '/fuse_file\.cc' "and without what needs libfuse"
    hidden=
    if [ "${NBDRES_LONG:-0}" = 1 ]; then
        configure_in asked --no-create --disable-tools --without-fuse
        is "$(summary asked tools)" "no: --disable-tools" "--disable-tools is an answer of its own"
    fi
else
    skip "configure does without libfuse" "no CLI11 here"
fi

done_testing
