# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2154
#
# For the tests of nbdcrash explore, bisect and minimize (test-explore-*.sh):
#
#     . "${0%/*}/explore-functions.sh"
#     use_log fs/ext4-8m-barrier
#     explore 0 "no prefix is bad" --mode prefix --from flush:3 --check "$check_ext4"
#     is "$(report failed)" 0 "..."
#     nothing_left
#     done_testing

. "${BASH_SOURCE[0]%/*}/nbdcrash-functions.sh"

[ "$have_fuse" = yes ] || skip_all "nbdcrash was built without libfuse"
requires_root
[ -c /dev/fuse ] || skip_all "no FUSE here"

report=$tmpdir/report.json
export TMPDIR=$tmpdir    # so that what is left behind is seen

# What decides about an ext4: recovery first, as a mount would, then the check.
cat > "$tmpdir/check-ext4" <<'END'
#!/bin/sh
e2fsck -y -E journal_only "$1" && exec e2fsck -f -n "$1"
END
chmod +x "$tmpdir/check-ext4"
# shellcheck disable=SC2034
check_ext4="$tmpdir/check-ext4 {dev}"

# explore STATUS NAME OPTION...: of $log, with a report.
explore()
{
    local status=$1 name=$2
    shift 2
    rm -f "$report"
    exits "$status" "$name" timeout 300 "$nbdcrash" explore "$log" --json "$report" "$@"
}

# report KEY[.KEY|.NUMBER...]: of the last report; how many, of a list.
report()
{
    perl -MJSON::PP -0777 -e '
        my $value = decode_json(<STDIN>);
        for my $key (split /\./, shift) {
            $value = ref $value eq "ARRAY" ? $value->[$key] : $value->{$key};
        }
        print ref $value eq "ARRAY" ? scalar @$value : $value // "null";' "$1" < "${2:-$report}"
}

# verdicts [FILE]: what a report says of the states, without times.
verdicts()
{
    perl -MJSON::PP -0777 -ne '
        my $r = decode_json($_);
        print "listed $r->{listed} states $r->{states} bad $r->{bad}\n";
        print join " ", %{$r->{skipped}}{sort keys %{$r->{skipped}}}, "\n";
        for (@{$r->{failed}}) {
            print join " ", $_->{state}, $_->{exit} // "-", $_->{signal} // "-", $_->{same}, "\n";
        }' "${1:-$report}"
}

# bad_states: one a line.
bad_states() { perl -MJSON::PP -0777 -ne 'print "$_->{state}\n" for @{decode_json($_)->{failed}}' "$report"; }

# nothing_left: no mount, no loop device, no folder, no process of a checker.
nothing_left()
{
    ok "no mount is left" _no_mounts
    ok "no loop device is left" _no_loops
    is "$(find "$tmpdir" -maxdepth 1 -name 'nbdcrash-*')" "" "no folder is left"
    ok "no process is left" wait_for 10 _no_checkers
}
_no_mounts() { ! grep -F "$tmpdir/nbdcrash" /proc/self/mountinfo; }
_no_loops() { ! losetup -n -O BACK-FILE 2> /dev/null | grep -F "$tmpdir/nbdcrash"; }
# Not by the status of grep: a process that ends meanwhile is an error to it.
_no_checkers()
{
    local left
    left=$(grep -a -l -F "NBDCRASH_DEV=$tmpdir/" /proc/[0-9]*/environ 2> /dev/null)
    [ -z "$left" ] || { echo "$left"; false; }
}
