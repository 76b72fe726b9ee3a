# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2154
#
# For the tests of nbdcrash (test-nbdcrash-*.sh, test-replay-log-*.sh):
#
#     . "${0%/*}/nbdcrash-functions.sh"
#     use_log synthetic/syn1
#     is "$(field entries info "$log")" 11 "..."
#     exits 1 "..." crash verify "$log" disk.img
#     done_testing

. "${BASH_SOURCE[0]%/*}/functions.sh"
requires_command "no JSON::PP here" perl -MJSON::PP -MDigest::SHA -e 1

log=$tmpdir/sample
# Copies, because an index is made beside each log that is looked at.
samples=$tmpdir/samples
cp -r "$data/logs" "$samples"
chmod -R u+w "$samples"

# crash ARGUMENT...: nbdcrash, with a limit of 60 s.
crash() { timeout 60 "$nbdcrash" "$@"; }

# replay_log ARGUMENT...: the old tool's command line.
replay_log() { timeout 60 "$abs_top_builddir/tools/nbdcrash/replay-log" "$@"; }

# use_log NAME: a copy of a sample log, as $log, without an index.
use_log()
{
    rm -f "$log" "$log.idx"
    cp "$samples/$1.log" "$log"
    chmod u+w "$log"
}

# field KEY[.KEY|.NUMBER...] COMMAND...: a member of what nbdcrash COMMAND --json
# prints; "null" for null, 1 and 0 for true and false.
field()
{
    local key=$1
    shift
    crash "$@" --json 2> "$tmpdir/field.stderr" | perl -MJSON::PP -0777 -e '
        my $value = decode_json(<STDIN>);
        for my $key (split /\./, shift) {
            $value = ref $value eq "ARRAY" ? $value->[$key] : $value->{$key};
        }
        print ref $value eq "ARRAY" ? scalar @$value : $value // "null";' "$key"
}

# exits STATUS NAME COMMAND...: the command ends with exactly this status.  What
# it printed is in $tmpdir/.ok.log.
exits()
{
    local expected=$1 name=$2 status
    shift 2
    "$@" > "$tmpdir/.ok.log" 2>&1
    status=$?
    if [ "$status" -eq "$expected" ]; then
        pass "$name"
    else
        fail "$name" "status $status, expected $expected, of: $*" "$(cat "$tmpdir/.ok.log")"
    fi
}

# refuses NAME REGEX COMMAND...: status 2, and a message that matches.
refuses()
{
    local name=$1 regex=$2 status text
    shift 2
    text=$("$@" 2>&1)
    status=$?
    if [ $status -eq 2 ] && [[ $text =~ $regex ]]; then
        pass "$name"
    else
        fail "$name" "status $status of: $*" "expected 2 and a match of: $regex" "$text"
    fi
}

# sha FILE
sha() { sha256sum < "$1" | cut -d' ' -f1; }

# used FILE: bytes that it takes on the disk.
used() { echo $(($(stat -c '%b * %B' "$1"))); }

# patch FILE OFFSET HEX: overwrites bytes of a file.
patch_file()
{
    perl -e 'open my $f, "+<:raw", $ARGV[0] or die; seek $f, $ARGV[1], 0;
        print $f pack "H*", $ARGV[2];' "$1" "$2" "$3"
}
