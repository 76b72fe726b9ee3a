# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC2154
#
# For the benchmarks: their options, what they need, waiting, and medians.
#
#     . "${BASH_SOURCE[0]%/*}/functions.sh"
#     filter=$build/filters/...
#     rounds=5 size=256M cases=()
#     take_options '[--rounds N] [--size SIZE] [CASE...]' "$@"
#     need_files "$filter"
#     need_programs nbdkit fio

build=${RESILIENCE_BUILDDIR:-$(cd "${BASH_SOURCE[0]%/*}" && pwd)/../build}

# take_options SYNOPSIS ARGUMENT...: an option of the synopsis sets the variable of
# its name; what is no option goes to $cases, where the synopsis has them.
take_options()
{
    local synopsis=$1
    shift
    while [ $# -gt 0 ]; do
        if [[ $1 == --* && $synopsis == *"[$1 "* && $# -ge 2 ]]; then
            printf -v "${1#--}" '%s' "$2"
            shift 2
        elif [[ $1 != -* && $synopsis == *'[CASE...]' ]]; then
            cases+=("$1")
            shift
        else
            echo "usage: bench/${0##*/} $synopsis" >&2
            exit 2
        fi
    done
}

need_files()
{
    local file
    for file; do
        [ -e "$file" ] || { echo "bench: $file does not exist: build first (make)" >&2; exit 1; }
    done
}

need_programs()
{
    local program
    for program; do
        command -v "$program" > /dev/null ||
            { echo "bench: $program is not installed" >&2; exit 1; }
    done
}

# wait_until COMPLAINT COMMAND...: for ten seconds ($tries of 50 ms); then the complaint
# is said, and that is the end.
wait_until()
{
    local complaint=$1 tries=${tries:-200}
    shift
    until "$@" > /dev/null 2>&1; do
        ((tries-- > 0)) || { echo "bench: $complaint" >&2; exit 1; }
        sleep 0.05
    done
}

# wanted CASE: whether $cases has a part of its name, or nothing.
wanted()
{
    local part
    [ ${#cases[@]} -eq 0 ] && return 0
    for part in "${cases[@]}"; do
        [[ $1 == *"$part"* ]] && return 0
    done
    return 1
}

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# fio_terse URI RW BS DEPTH OPTION...: fio's line of results, version 3; nothing if
# it fails.  Field 8 is the reads in a second, 49 the writes, 48 the KiB written.
fio_terse()
{
    timeout $((${seconds:-0} + 300)) fio --name=bench --ioengine=nbd --uri="$1" --rw="$2" \
        --bs="$3" --iodepth="$4" "${@:5}" --randseed=1 --output-format=terse --terse-version=3 \
        --output="$dir/fio.out" > /dev/null 2>&1 && grep '^3;' "$dir/fio.out"
}
# The same as IOPS, 0 if it fails.
fio_iops() { fio_terse "$@" | awk -F';' '{ iops = $8 + $49 } END { print iops + 0 }'; }

load() { cut -d' ' -f1-3 /proc/loadavg; }
machine()
{
    echo "machine: $(nproc) cores, $(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo), Linux $(uname -r)"
}
