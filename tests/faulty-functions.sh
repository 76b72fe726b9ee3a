# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# Servers that fail when they are told to, sourced by the *-functions.sh of a
# module.

# start_faulty NAME IMAGE: a server, $(uri_of NAME), that fails as set_faults says.
# Without sanitizers, which make a script of three processes per request too slow.
start_faulty()
{
    : > "$tmpdir/$1.faults"
    nbdkit_command=$nbdkit_program IMAGE=$2 FAULTS=$tmpdir/$1.faults \
        start_nbdkit "$1" sh "$abs_top_srcdir/tests/faulty-server.sh"
}

# set_faults NAME [FAULT...]: from now on these, see faulty-server.sh.
set_faults()
{
    local file=$tmpdir/$1.faults
    shift
    if [ $# -eq 0 ]; then
        : > "$file.new"
    else
        printf '%s\n' "$@" > "$file.new"
    fi
    mv "$file.new" "$file"
}
