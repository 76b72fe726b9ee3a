#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Marks by all four ways stand where they were made, and are counted when they
# are answered; names that cannot be marks are refused by each way.
. "${0%/*}/logwrites-functions.sh"

empty_image "$tmpdir/disk.img" 1M
start_logwrites l logwrites-mark-offset=512K logwrites-super-update-interval=100000
counted() { od -A n -t u8 -j 16 -N 8 "$log" | tr -d ' '; }

# mailbox FILE NAME [SIZE]: what a guest writes.
mailbox() { printf 'logwrites-mark:%s\n' "$2" > "$1"; truncate -s "${3:-512}" "$1"; }

ok "a write" requests l 'write -P 1 0 4k'
ok "a mark by the control socket" mark l after-first
is "$(counted)" "$("$clients/logdump" --whole "$log" | wc -l)" "it is counted"
is "$(timeout 20 nbdinfo --size "$(export_uri l mark:from-far)")" 0 "a mark by the name of an export"
is "$(counted)" "$("$clients/logdump" --whole "$log" | wc -l)" "it is counted"
mailbox "$tmpdir/box" guest
ok "a mark through the mailbox" requests l "write -s $tmpdir/box 512k 512" 'write -P 2 4k 4k'
is "$(entries | grep MARK | tail -n 1)" "0+0 MARK guest" "it is counted"
export LOGWRITES_CONTROL_disk_1=$(control_of l) NBDCTL=$nbdctl
PATH=$abs_top_srcdir/tools/dmsetup-shim:$PATH
ok "a mark by dmsetup" timeout 20 dmsetup message /dev/mapper/disk-1 0 mark suite.1
unset LOGWRITES_CONTROL_disk_1
fails "dmsetup knows no other device" timeout 20 dmsetup message disk-2 0 mark suite.2
LOGWRITES_CONTROL=$(control_of l) ok "but by one socket for all" \
    timeout 20 dmsetup message disk-2 0 mark suite.2

# The mailbox in the middle of a larger write.
head -c 8k /dev/zero | tr '\0' '\7' > "$tmpdir/large"
mailbox "$tmpdir/box" 'in between'
dd if="$tmpdir/box" of="$tmpdir/large" bs=512 seek=4 conv=notrunc status=none
ok "a mailbox in the middle of a write" requests l "write -s $tmpdir/large $((512 - 2))k 8k"
ok "a write to the mailbox that is no mark" requests l 'write -P 9 512k 4k'

# Names.
long=$(printf 'x%.0s' {1..479})
ok "479 bytes" mark l "$long"
fails_like "480 bytes" '480 bytes; 479 are allowed' mark l "${long}x"
fails_like "no name" 'a mark needs a name' mark l ''
fails_like "a control character" 'control character' mark l $'a\tb'
fails_like "one of the filter's own" "begins with 'logwrites-'" mark l logwrites-end
ok "blanks and other letters" mark l 'größer als "5"'
fails "export: no name" timeout 20 nbdinfo "$(export_uri l mark:)"
fails "export: one of the filter's own" timeout 20 nbdinfo "$(export_uri l mark:logwrites-start)"
like "$(cat "$tmpdir/l.log")" "export 'mark:logwrites-start': the mark's name begins" "export: the log says why"
mailbox "$tmpdir/box" ''
fails_like "mailbox: no name" 'Invalid argument' qemu_io l -c "write -s $tmpdir/box 512k 512"
stop_nbdkit l

is "$(entries | grep -v FLUSH)" "0+8 NONE
0+0 MARK after-first
0+0 MARK from-far
0+0 MARK guest
8+8 NONE
0+0 MARK suite.1
0+0 MARK suite.2
1020+4 NONE
1025+11 NONE
0+0 MARK in between
1024+8 NONE
0+0 MARK $long
0+0 MARK größer als \"5\"" "all marks stand where they were made"
is_whole "a replay equals the device"
like "$("$clients/logdump" --ext "$log" | grep 'guest$\|guest |')" 'mark 0\+0 c[1-9]' \
    "a mark knows its connection"
done_testing
