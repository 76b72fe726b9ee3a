# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# For the tests of the votes (test-quorum-vote-vectors-*.sh), one line each:
#
#     vector "A A B B" 2 B "BAD(1), BAD(0)"
#
# Children by letters: A, B, C are images filled with that letter; EIO, ENOSPC
# and ENOMEM are servers whose reads end with that error.

. "${BASH_SOURCE[0]%/*}/quorum-functions.sh"

# Servers that fail live as long as the script.
declare -A _faulty

# text_of ERRNO
text_of()
{
    case $1 in
    EIO) echo 'Input/output error' ;;
    ENOSPC) echo 'No space left on device' ;;
    ENOMEM) echo 'Cannot allocate memory' ;;
    esac
}

# faulty_child PLACE OPERATION ERRNO|ok: sets $child to its address.
faulty_child()
{
    local name=faulty$1
    if [ -z "${_faulty[$name]:-}" ]; then
        pattern_image "$tmpdir/$name.raw" 64K 0x41
        start_faulty "$name" "$tmpdir/$name.raw"
        _faulty[$name]=yes
    fi
    if [ "$3" = ok ]; then set_faults "$name"; else set_faults "$name" "$2 $3"; fi
    child=$(uri_of "$name")
}

# short_events: the events as the table writes them.  FAILURE is last in it.
short_events()
{
    events | sed -E -e 's/^BAD children\.([0-9]+) read 0\+8$/BAD(\1)/' \
        -e 's/^BAD children\.([0-9]+) (read|write) 0\+8 (.*)/BAD(\1) \2: \3/' \
        -e 's/^BAD children\.([0-9]+) flush 0\+0 (.*)/BAD(\1) flush: \2/' \
        -e 's/^FAILURE quorum 0\+8$/FAILURE/' | paste -s -d ';' | sed 's/;/, /g'
}

# vector CHILDREN THRESHOLD RESULT EVENTS [KEY=VALUE...]: what a read of 4 KiB
# gives.  EVENTS as "BAD(1) read: Input/output error, FAILURE".
vector()
{
    local letters threshold=$2 result=$3 expected=$4 list=() i child
    local name="$1, threshold $2"
    read -r -a letters <<< "$1"
    shift 4
    for i in "${!letters[@]}"; do
        case ${letters[$i]} in
        E*) faulty_child "$i" read "${letters[$i]}" ;;
        *)
            child=$tmpdir/$i.raw
            pattern_image "$child" 64K "0x$(printf '%x' "'${letters[$i]}")"
            ;;
        esac
        list+=("$child")
    done
    start_quorum vector "${list[@]}" quorum-threshold="$threshold" "$@"
    watch_events vector
    case $result in
    E*) fails_like "$name: $result" "read failed: $(text_of "$result")" \
        qemu_io vector -c 'read 0 4k' ;;
    *) ok "$name: $result" qemu_io vector -c "read -P 0x$(printf '%x' "'$result") 0 4k" ;;
    esac
    is "$(short_events)" "$expected" "$name: ${expected:-no event}"
    stop_nbdkit vector
}
