#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What an older log left behind in the same file never becomes history by
# itself, not even where it looks exactly like entries.
. "${0%/*}/nbdcrash-functions.sh"

use_log qemu/h04
before=$(sha "$log")
exits 0 "stale bytes that are no entries" crash repair "$log" --plain
is "$(sha "$log")" "$before" "are not taken"
is "$(field tail.junk-behind repair "$log")" 1 "but seen"

# The old log was longer, and its entries stand where the next ones would be:
# k05 has (W, W, F, ...), of which the new run has overwritten one.
use_log qemu/h05
printf '\1' | dd of="$log" bs=1 seek=16 conv=notrunc status=none
exits 1 "stale entries that look right" crash repair "$log"
is "$(field entries info "$log")" 1 "are not taken by themselves"
is "$(field tail.plausible-entries info "$log")" 4 "but shown"

# Behind them there may be more that is none.
printf 'junk' >> "$log"
like "$(crash repair "$log" --plain 2>&1)" "the file may have held an older log" \
    "--plain takes them, and warns if there is junk behind"

# All zero is never an entry.
use_log qemu/g01
truncate -s 1M "$log"
exits 0 "a preallocated file" crash repair "$log" --plain
is "$(field entries info "$log")" 2 "has no more entries"
is "$(field tail.all-zero info "$log")" 1 "only zeroes follow"

done_testing
