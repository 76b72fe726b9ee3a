#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 148, case 5: the limit is one per child: events of different children do
# not hold each other back.  With fifo the first child answers for sectors 11 and
# 12, and nobody is told that others could not.
. "${0%/*}/quorum-148.sh"

start_148 quorum
ok "quorum: three sectors, bad on one child each" read_sectors 10 11 12
is "$(events)" "$(bad 0; bad 1; bad 2)" "quorum: three events at once"
stop_nbdkit q

start_148 fifo
ok "fifo: three sectors" read_sectors 10 11 12
is "$(events)" "$(bad 0)" "fifo: one event, of the first child"

done_testing
