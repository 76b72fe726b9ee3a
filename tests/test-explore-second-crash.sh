#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# --second-crash finds a recovery that must not be interrupted, which nothing else
# does, and shows the state that it leaves; a recovery in the right order is good.
. "${0%/*}/explore-functions.sh"
requires nbdkit nbdcopy

make_log() { rm -f "$log" "$log.idx" && perl "$abs_top_srcdir/tests/make-log.pl" "$log" "$@"; }
# A store with a journal: the new content, then "J" at the front, then it is promised.
make_log write:16:1:65 flush mark:ready write:8:1:66 flush write:0:1:74 flush mark:committed
cat > "$tmpdir/recover" <<'END'
#!/bin/sh
# recover DEV FLUSHED: copies what is in the journal to its place, and empties the
# journal; FLUSHED: what is copied is on the medium before that.
put() { dd of="$1" bs=512 seek="$2" conv=notrunc$3 status=none; }
test "$(head -c 1 "$1")" = J || exit 0
dd if="$1" bs=512 skip=8 count=1 status=none | put "$1" 16 "$2"
head -c 512 /dev/zero | put "$1" 0 ,fsync
END
cat > "$tmpdir/oracle" <<'END'
#!/bin/sh
# oracle DEV MARK
is=$(dd if="$1" bs=512 skip=16 count=1 status=none | head -c 1)
echo "$2 $is" >> "$TMPDIR/asked"
case $2 in
    committed) test "$is" = B ;;
    *) test "$is" = A || test "$is" = B ;;
esac
END
chmod +x "$tmpdir/recover" "$tmpdir/oracle"
oracle="$tmpdir/oracle {dev} {mark}"
store() { explore "$1" "$2" --from mark:ready --oracle "$oracle" "${@:3}"; }
second() { perl -MJSON::PP -0777 -ne 'for (@{decode_json($_)->{failed}}) {
    print "$_->{state} then $_->{second}{state}\n" if $_->{second} }' "$report"; }

wrong="$tmpdir/recover {dev} ''"
right="$tmpdir/recover {dev} ,fsync"
store 0 "a recovery that forgets a flush: no crash before it is bad" --check "$wrong"
is "$(report second-crash)" null "which was all that was asked for"
store 1 "but a crash during it is" --check "$wrong" --second-crash --report "$tmpdir/bugs"
is "$(second)" "end then e0:drop=1" "where the journal is full, for want of the copy"
is "$(report failed.0.by) $(report failed.0.mark) $(report failed.0.exit)" "oracle committed 1" \
    "what was promised is gone"
is "$(report failed.0.missing.0.offset) $(report failed.0.missing)" "8192 1" "and shown"
is "$(report second.bad)" 1 "it is counted"
like "$(cat "$tmpdir/.ok.log")" "second states checked: +[0-9]" "and told"
like "$(cat "$tmpdir/bugs/index.html")" "end then e0:drop=1" "the page has it"
like "$(cat "$tmpdir/bugs/junit.xml")" 'name="end then e0:drop=1"' "and junit.xml"
store 0 "a recovery in the right order" --check "$right" --second-crash
ok "was interrupted everywhere, too" test "$(report second.states)" -ge 3
is "$(report second.bad)" 0 "and is good"

# The command, with our plugin.
store 1 "once more" --check "$wrong" --second-crash --report "$tmpdir/bugs"
command=$(report failed.0.command)
like "$command" "^nbdkit -U disk.sock logreplay .*second-[0-9]+.log 'base=\[ nbdkit logreplay" \
    "the command serves the log of the recovery over the first state"
command=${command//logreplay /$logreplay_plugin }
eval "${command/-U disk.sock/-U -} --run 'nbdcopy \"\$uri\" $tmpdir/state.img'" ||
    fail "it cannot be served"
is "$(head -c 1 "$tmpdir/state.img" | tr '\0' 0)" 0 "in it the journal is empty"
is "$(dd if="$tmpdir/state.img" bs=512 skip=16 count=1 status=none | head -c 1)" A \
    "and the place has the old content"

# What counts as a flush.
store 0 "O_DSYNC is a flush" --second-crash --check "$tmpdir/recover {dev} ' oflag=dsync'"
ok "seen as one" test "$(report second.states)" -ge 3
store 1 "O_DIRECT is none" --second-crash --check "$tmpdir/recover {dev} ' oflag=direct'"
cat > "$tmpdir/odd" <<'END'
#!/bin/sh
at() { test "$(dd if="$1" bs=1 skip="$2" count=1 status=none)" = "$3"; }
if [ "$2" = write ]; then
    printf XX | dd of="$1" bs=1 seek=8191 conv=notrunc status=none
    printf YYYYY | dd of="$1" bs=5 seek=1634 conv=notrunc status=none    # 8170
else
    at "$1" 8191 X && ! at "$1" 8174 Y && exit 3    # one page
    at "$1" 8191 X && ! at "$1" 8192 X && exit 1    # two
    exit 0
fi
END
chmod +x "$tmpdir/odd"
explore 1 "odd places and sizes" --from mark:ready --to mark:ready --mode subset --second-crash \
    --check "$tmpdir/odd {dev} write" --second-check "$tmpdir/odd {dev} read"
is "$(report failed.0.missing.0.offset) $(report failed.0.missing.0.length)" "8192 4096" \
    "are recorded as pages, as a disk would get them"
is "$(report failed) $(report failed.0.exit)" "1 1" "all that is in a page at once"

# Another command for what the second crash leaves.
store 1 "--second-check decides about that" --check "$right" --second-crash --second-check 'exit 9'
is "$(report failed.0.exit) $(report failed.0.second.log)" "9 null" "alone; without a report no log is kept"
like "$(report second-crash.check)" "exit 9" "and is in the report"
explore 0 "a checker that writes nothing" --from mark:ready --check 'test -s {dev}' --second-crash
like "$(cat "$tmpdir/.ok.log")" "second states: +0, the checker wrote nothing" "says so"
is "$(report second.listed)" 0 "and costs nothing"

# Whatever the number of workers; and what is known already is not lost.
results() { verdicts; second; perl -MJSON::PP -0777 -ne '$r = decode_json($_)->{second};
    print "$r->{recoveries} $r->{listed} $r->{states} $r->{skipped}{q(same-content)} $r->{bad}\n"' "$report"; }
store 1 "one worker" --check "$wrong" --second-crash --jobs 1
results > "$tmpdir/one"
store 1 "two workers" --check "$wrong" --second-crash --jobs 2
results > "$tmpdir/two"
same_content "$tmpdir/one" "$tmpdir/two" "find the same"
store 1 "with progress" --check "$wrong" --second-crash --resume "$tmpdir/resume"
rm -f "$tmpdir/asked"
store 1 "and again" --check "$wrong" --second-crash --resume "$tmpdir/resume"
is "$(second)" "$(tail -n +4 "$tmpdir/one" | grep then)" "it still knows the bad ones"
ok "without a check" test ! -e "$tmpdir/asked"
refuses "the progress of one round is not that of two" "another exploration" \
    timeout 60 "$nbdcrash" explore "$log" --check "$wrong" --oracle "$oracle" --from mark:ready \
    --resume "$tmpdir/resume"
refuses "an oracle recovers nothing" "needs --check" timeout 60 "$nbdcrash" explore "$log" \
    --oracle true --second-crash
refuses "a second check without a second crash" "nothing without --second-crash" \
    timeout 60 "$nbdcrash" explore "$log" --check true --second-check true

# Two recoveries that end with the same content.  Of each: nothing of it, the copy, the
# empty journal, both; the first is the first state, the second and the last are the same.
make_log write:0:1:74 write:8:1:66 flush write:16:1:67 flush
explore 0 "recoveries of two states" --mode subset --from flush:1 --no-read-pruning --second-crash \
    --check "$wrong"
is "$(report second.recoveries) $(report second.states)" "2 4" "equal contents count once"

# A real one: e2fsck repairs, a crash interrupts it, and it repairs again.
if command -v e2fsck > /dev/null; then
    use_log fs/ext4-8m-barrier
    cat > "$tmpdir/repair" <<'END'
#!/bin/sh
e2fsck -f -y "$1"; test $? -le 1
END
    chmod +x "$tmpdir/repair"
    explore 0 "e2fsck -fy of an ext4 can be interrupted" --mode subset --from flush:37 --jobs 2 \
        --second-crash --check "$tmpdir/repair {dev}" \
        --second-check "$tmpdir/repair {dev} && e2fsck -f -n {dev}"
    ok "which was done often" test "$(report second.states)" -gt 60
fi
nothing_left
done_testing
