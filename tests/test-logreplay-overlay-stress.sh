#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Many overlapping requests of all kinds at once: the overlay is a disk like any.
. "${0%/*}/logreplay-functions.sh"

make_log 'write:0:256:0' 'flush' 'discard:64:32' 'write:100:10:0'
start_logreplay r
# One client in front of many: they all see the same overlay.
start_nbdkit front nbd uri="$(state_uri r end)" shared=true
ok "a temporary overlay" timeout 120 "$clients/stress" --depth=16 --requests=6000 --size=128k \
    "$(uri_of front)"
stop_nbdkit front
stop_nbdkit r
mkdir "$tmpdir/overlays"
start_logreplay r overlay="$tmpdir/overlays"
start_nbdkit front nbd uri="$(state_uri r end)" shared=true
ok "a named one" timeout 240 "$clients/stress" --depth=16 --requests=1000 --size=128k \
    "$(uri_of front)"
done_testing
