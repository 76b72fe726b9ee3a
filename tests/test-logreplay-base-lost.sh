#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A base whose server dies: what needs it fails, what is in the log is served, and
# all is well again when the server is back.
. "${0%/*}/logreplay-functions.sh"

random_image "$tmpdir/disk.img" 1M 7
start_logwrites l
ok "the recording" requests l 'write -P 1 64k 4k' flush
stop_nbdkit l
start_nbdkit server file "$tmpdir/before.img"
start_logreplay r base="$(uri_of server)"
ok "a state is whole" fetch r end "$tmpdir/served.img"
kill_nbdkit server
fails "without its base it is not" fetch r end "$tmpdir/served.img"
ok "what is in the log needs no base" state_io r end 'read -P 1 64k 4k'
start_nbdkit server file "$tmpdir/before.img"
is_whole_again() { fetch r end "$tmpdir/served.img" && cmp "$tmpdir/served.img" "$tmpdir/disk.img"; }
ok "it is whole when the base is back" wait_for 30 is_whole_again
done_testing
