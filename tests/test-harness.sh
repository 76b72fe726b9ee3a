#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What functions.sh promises to the other scripts holds: servers start, stop,
# freeze and are ended at exit, and failures are seen.
. "${0%/*}/functions.sh"
requires nbdkit nbdinfo nbdcopy qemu-io qemu-nbd openssl perl

start_nbdkit disk memory 1M
ok "a server is up when start_nbdkit returns" timeout 10 nbdinfo "$(uri_of disk)"
ok "qemu_io writes" qemu_io disk -c 'write -P 7 0 4k'
ok "qemu_io reads what was written" qemu_io disk -c 'read -P 7 0 4k'
fails "a pattern that does not match is a failure" qemu_io disk -c 'read -P 8 0 4k'

pid=$(pid_of disk)
freeze "$pid"
fails_like "a frozen server answers nobody" '124' \
    bash -c 'timeout 0.5 nbdinfo --size "$1"; [ $? -eq 124 ] && { echo 124; exit 1; }' bash "$(uri_of disk)"
thaw "$pid"
ok "a thawed one does" timeout 10 nbdinfo --size "$(uri_of disk)"
stop_nbdkit disk
is $? 0 "a server that ends by itself has status 0"
ok "and is gone" is_gone "$pid"

try_nbdkit wrong memory no-such-parameter=1
isnt $? 0 "try_nbdkit says that a server did not start"
like "$(cat "$tmpdir/wrong.log")" 'no-such-parameter' "and the log says why"

random_image "$tmpdir/a" 100K 1
random_image "$tmpdir/b" 100K 1
random_image "$tmpdir/c" 100K 2
is "$(stat -c %s "$tmpdir/a")" 102400 "random_image makes the size it was asked for"
same_content "$tmpdir/a" "$tmpdir/b" "one seed, one content"
fails "two seeds, two contents" cmp "$tmpdir/a" "$tmpdir/c"

start_qemu_nbd other -f raw "$tmpdir/a"
timeout 30 nbdcopy "$(uri_of other)" "$tmpdir/copy"
same_content "$tmpdir/a" "$tmpdir/copy" "qemu-nbd serves as a child"

# A script that starts a server, freezes it and dies in the middle.
cat > "$tmpdir/dies.sh" <<X
. '$abs_top_srcdir/tests/functions.sh'
start_nbdkit disk memory 1M
freeze "\$(pid_of disk)"
pid_of disk
echo "\$tmpdir"
cleanup_fn touch '$tmpdir/cleaned up'
kill -TERM \$\$
wait_for 10 false
X
timeout 60 bash "$tmpdir/dies.sh" > "$tmpdir/dies.out" 2>&1
{ read -r pid && read -r dir; } < "$tmpdir/dies.out"
ok "what a script started ends with it, even frozen" is_gone "$pid"
ok "its folder is removed" test ! -e "$dir"
ok "its cleanup ran" test -e "$tmpdir/cleaned up"

printf '%s\n' ". '$abs_top_srcdir/tests/functions.sh'" 'pass one' 'exit 0' > "$tmpdir/early.sh"
fails_like "a script that ends early says so" 'ended before done_testing' \
    timeout 60 bash "$tmpdir/early.sh"

printf '%s\n' ". '$abs_top_srcdir/tests/functions.sh'" \
    'echo "x.cc:1:2: runtime error: signed integer overflow" > "$tmpdir/disk.log"' \
    'pass one' 'done_testing' > "$tmpdir/report.sh"
fails_like "a sanitizer's report in a server's log is a failure" 'signed integer overflow' \
    timeout 60 bash "$tmpdir/report.sh"

printf '%s\n' ". '$abs_top_srcdir/tests/functions.sh'" 'requires no-such-program-1' 'fail x' \
    > "$tmpdir/skips.sh"
is "$(timeout 60 bash "$tmpdir/skips.sh")" '1..0 # SKIP no no-such-program-1 here' \
    "requires skips the script"

done_testing
