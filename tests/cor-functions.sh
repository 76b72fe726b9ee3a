# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# For the tests of copy-on-read (test-cor-*.sh):
#
#     . "${0%/*}/cor-functions.sh"
#     random_image "$tmpdir/source.raw" 4M 1
#     start_cor c "$tmpdir/source.raw"                  # the copy is $tmpdir/c.raw
#     ok "..." qemu_io c -c 'read 0 64k'
#     is "$(status_of c local-clusters)" 1 "one cluster is local"
#     is "$(counter_of c fetches)" 1 "by one fetch"
#     done_testing

. "${BASH_SOURCE[0]%/*}/functions.sh"

requires nbdkit qemu-io nbdinfo nbdcopy perl

# The module form: plugin, or filter (then the source must be a path; it is
# served by nbdkit's file plugin below).
cor_form=${cor_form:-plugin}

# Arguments for nbdkit itself, such as -r or --filter.
nbdkit_options=()

# With NBDRES_LONG=1 the loops go round 100 times.
rounds() { if [ "${NBDRES_LONG:-0}" = 1 ]; then echo 100; else echo "$1"; fi; }

copy_of() { echo "$tmpdir/$1.raw"; }
control_of() { echo "$tmpdir/$1.control"; }

# start_cor NAME SOURCE [KEY=VALUE...]: a copy of SOURCE in $(copy_of NAME), with
# the control socket $(control_of NAME).
start_cor()
{
    try_cor "$@" && return
    diag "$(cat "$tmpdir/$1.log")"
    bail_out "the copy $1 did not start"
}

# try_cor NAME ...: the same, but not coming up is only a failure.  What was said
# is in $tmpdir/NAME.log.
try_cor()
{
    local name=$1 source=$2
    shift 2
    if [ "$cor_form" = filter ]; then
        set -- --filter="$cor_filter" file "$source" "$@"
    else
        set -- "$cor_plugin" "$source" "$@"
    fi
    try_nbdkit "$name" ${nbdkit_options[@]+"${nbdkit_options[@]}"} "$@" \
        cor-file="$(copy_of "$name")" cor-control="$(control_of "$name")"
}

# refuses_to_start NAME REGEX COPY SOURCE [KEY=VALUE...]: the copy does not come up
# with these parameters, and says something that matches.
refuses_to_start()
{
    local name=$1 regex=$2 copy=$3
    shift 2
    rm -f "$tmpdir/$copy.log"
    if try_cor "$@"; then
        stop_nbdkit "$copy"
        fail "$name" "it started"
    else
        like "$(cat "$tmpdir/$copy.log")" "$regex" "$name"
        rm -f "$tmpdir/$copy.log"
    fi
}

# ask NAME COMMAND KEY: something of the answer to a command.
ask()
{
    qmp "$(control_of "$1")" "$2" | perl -MJSON::PP -e '
        my $at = decode_json(join "", <STDIN>);
        $at = $at->{return} if ref $at eq "HASH" && exists $at->{return};
        $at = $at->[0] if ref $at eq "ARRAY";
        my $value = $at->{$ARGV[0]} // "";
        print JSON::PP::is_bool($value) ? ($value ? "true" : "false") : $value;' "$3"
}
status_of() { ask "$1" query-status "$2"; }
counter_of() { ask "$1" query-counters "$2"; }
stream_of() { ask "$1" query-stream "$2"; }
status_is() { [ "$(status_of "$1" "$2")" = "$3" ]; }
counter_at_least() { [ "$(counter_of "$1" "$2")" -ge "$3" ]; }

# runs_local FILE: which parts of a copy's file are data, as "OFFSET+LENGTH ..." in
# bytes, by what the file system tells.
data_of()
{
    timeout 30 qemu-img map --output=json -f raw "$1" | perl -MJSON::PP -e '
        print join " ", map { "$_->{start}+$_->{length}" }
            grep { $_->{data} } @{decode_json(join "", <STDIN>)};'
}

# pattern_image FILE SIZE BYTE: BYTE as 0x41.
pattern_image()
{
    local octal
    octal=$(printf '%03o' "$3")
    head -c "$(numfmt --from=iec "$2")" /dev/zero | tr '\0' "\\$octal" > "$1"
}

# export_is NAME FILE TEXT: what the server has is what the file has.
export_is()
{
    rm -f "$tmpdir/.export"
    timeout 120 nbdcopy "$(uri_of "$1")" "$tmpdir/.export" && cmp "$tmpdir/.export" "$2"
    local status=$?
    if [ $status -eq 0 ]; then pass "$3"; else fail "$3"; fi
    rm -f "$tmpdir/.export"
}

# slow_source NAME IMAGE TIME: a server for it on which each read takes TIME.
slow_source()
{
    requires_nbdkit_filter delay
    start_nbdkit "$1" --filter=delay file "$2" delay-read="$3"
}
