#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A log that is still being recorded: the entries count that were there at the
# start; `reload` takes in what came since, for new connections.
. "${0%/*}/logreplay-functions.sh"
. "${0%/*}/fuse-functions.sh"
requires_fuse

empty_image "$tmpdir/disk.img" 1M
start_logwrites l
ok "a write" requests l 'write -P 1 0 4k' flush
start_logreplay r logreplay-control="$tmpdir/r.control"
ok "is served" state_io r flush:1 'read -P 1 0 4k'
ok "a client stays" as_file a "$(state_uri r end)"
ok "another write" requests l 'write -P 2 0 4k' flush
ok "and a mark" mark l later
fails "they are not there yet" state_io r mark:later 'read 0 4k'
ok "the end is the old one" state_io r end 'read -P 1 0 4k'
ok "reload" timeout 20 "$nbdctl" "$tmpdir/r.control" reload
ok "now they are" state_io r mark:later 'read -P 2 0 4k'
ok "and the end is the new one" state_io r end 'read -P 2 0 4k'
is "$(head -c 1 "$(file_of a)" | od -A n -t u1 | tr -d ' ')" 1 "the client has what it had"

# Reloading while the recorder writes, as fast as it goes.
(for _ in 1 2 3 4 5 6 7 8; do requests l 'write -P 3 0 512k' flush 'write -P 4 0 512k' flush; done) \
    > "$tmpdir/writer.txt" 2>&1 &
writer=$!
failed=0 reloads=0
while is_running $writer; do
    timeout 20 "$nbdctl" "$tmpdir/r.control" reload > "$tmpdir/reload.txt" 2>&1 || failed=$((failed + 1))
    reloads=$((reloads + 1))
done
wait $writer
is $failed 0 "$reloads times while writes go on"
diag "$(cat "$tmpdir/reload.txt")"

# What cannot be read leaves everything as it is.
stop_nbdkit l
cp "$log" "$tmpdir/whole"
head -c 1000 "$tmpdir/whole" > "$log"
fails_like "a log that is damaged meanwhile" "entry" timeout 20 "$nbdctl" "$tmpdir/r.control" reload
cat "$tmpdir/whole" > "$log"
ok "everything is as it was" state_io r mark:later 'read -P 2 0 4k'
done_testing
