#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Without a control socket the log has the last of the reports that the rate
# limit held back, too.
. "${0%/*}/quorum-functions.sh"
requires nbdkit qemu-io

three_images 1M 0x32
overwrite "$tmpdir/2.raw" 0x42 0 512
overwrite "$tmpdir/2.raw" 0x42 512K 512
start_nbdkit q "$quorum_plugin" "$tmpdir/1.raw" "$tmpdir/2.raw" "$tmpdir/3.raw"
ok "both corrupt places are read within a second" \
    qemu_io q -c 'read -P 0x32 0 512' -c 'read -P 0x32 512k 512'
ok "the first is reported" wait_for 5 grep -q 'sectors 0+1: its data lost' "$tmpdir/q.log"
ok "the second is reported" wait_for 5 grep -q 'sectors 1024+1: its data lost' "$tmpdir/q.log"

done_testing
