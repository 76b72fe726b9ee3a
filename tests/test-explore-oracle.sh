#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# An oracle gets the last mark that is durable in the state, or with --promise=set
# the last one that was set, and decides whether what was promised is there.
. "${0%/*}/explore-functions.sh"

make_log() { rm -f "$log" "$log.idx" && perl "$abs_top_srcdir/tests/make-log.pl" "$log" "$@"; }
# A store that writes a record, flushes, and says that it is there; the third time
# it forgets the flush.
make_log write:0:1:65 flush mark:one write:8:1:66 flush mark:two write:16:1:67 mark:three \
    write:24:1:68 flush
cat > "$tmpdir/oracle" <<'END'
#!/bin/sh
# oracle DEV MARK: the records that MARK promises are there.
at() { test "$(dd if="$1" bs=512 skip="$2" count=1 status=none | head -c 1)" = "$3" || exit 1; }
echo "$2" >> "$TMPDIR/marks"
case $2 in
    one) at "$1" 0 A ;;
    two) at "$1" 0 A; at "$1" 8 B ;;
    three) at "$1" 0 A; at "$1" 8 B; at "$1" 16 C ;;
    '') ;;
    *) exit 9 ;;
esac
END
chmod +x "$tmpdir/oracle"
oracle="$tmpdir/oracle {dev} {mark}"
explore 0 "what is durable is there" --mode subset --oracle "$oracle"
is "$(sort -u "$tmpdir/marks" | xargs)" "one three two" "all marks were asked for"
explore 1 "--promise set" --mode subset --oracle "$oracle" --promise set
is "$(bad_states | head -n 1)" "e2:drop=6" "finds the flush that was forgotten"
is "$(report failed.0.by) $(report failed.0.mark)" "oracle three" "by the oracle, at that mark"
explore 1 "a check comes first" --mode flush --check false --oracle true
is "$(report failed.0.by)" check "and decides"
explore 1 "the oracle sees what the check has left" --mode flush \
    --check 'printf X | dd of={dev} conv=notrunc status=none' \
    --oracle 'test "$(head -c 1 {dev})" != X'
# A mark's name is never executed.
make_log write:0:1:65 'mark:$(touch${IFS}"$TMPDIR/hacked");`touch${IFS}hacked`' flush
cd "$tmpdir" || exit 1
explore 0 "a name that a shell could take for a command" --mode flush \
    --oracle 'test -n {mark} && test "$NBDCRASH_MARK" = {mark}'
ok "is none" test ! -e "$tmpdir/hacked"
nothing_left
done_testing
