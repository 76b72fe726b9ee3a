#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Opening a state costs what differs, not the size of the device: the same log on
# a terabyte takes no longer and no more memory than on a megabyte.
. "${0%/*}/logreplay-functions.sh"

make_log '200*write:0:8:1' 'flush' '200*write:64:8:2' 'discard:0:2048' 'flush'
# milliseconds NAME: for 100 connections, by one client.
milliseconds()
{
    local start
    start=$(date +%s%N)
    timeout 100 nbdinfo --list "$(uri_of "$1")" > /dev/null &&
        for _ in 1 2 3 4 5 6 7 8 9 10; do timeout 20 nbdinfo --size "$(state_uri "$1" flush:1)"; done > /dev/null
    echo $((($(date +%s%N) - start) / 1000000))
}
memory() { awk '/^(VmRSS|RssAnon)/ { print $2 }' "/proc/$(pid_of "$1")/status" | tail -n 1; }
start_logreplay small size=1M
start_logreplay large size=1T
milliseconds small > /dev/null
milliseconds large > /dev/null
best_small=100000 best_large=100000
for _ in 1 2 3; do
    now=$(milliseconds small) && [ "$now" -lt "$best_small" ] && best_small=$now
    now=$(milliseconds large) && [ "$now" -lt "$best_large" ] && best_large=$now
done
diag "1 MiB: $best_small ms, 1 TiB: $best_large ms"
ok "a terabyte opens as fast" test "$best_large" -lt $((best_small * 3 + 50))
ok "writing far away" state_io large end 'write -P 5 1023G 64k' 'read -P 5 1023G 64k' \
    'write -z 1G 1G' 'discard 2G 1G' 'read -P 0 2G 64k'
diag "anonymous memory: $(memory small) KiB, $(memory large) KiB"
ok "and takes as much memory" test "$(memory large)" -lt $(($(memory small) + 8192))
done_testing
