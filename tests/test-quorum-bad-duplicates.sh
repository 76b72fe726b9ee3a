#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The same storage twice is no redundancy, however it is called.
. "${0%/*}/quorum-fault-functions.sh"

three_images 1M 0x5a
ln "$tmpdir/1.raw" "$tmpdir/hard-link"
ln -s "$tmpdir/1.raw" "$tmpdir/symbolic-link"
mkdir "$tmpdir/folder"
serve_image three "$tmpdir/3.raw"
for quorum_form in plugin filter; do
    # bad NAME CHILD...
    bad() { refused "$quorum_form: $1" "same storage as" "${@:2}"; }
    bad "the same path" "$tmpdir"/{1,2,1}.raw
    bad "a hard link" "$tmpdir"/{1,2}.raw "$tmpdir/hard-link"
    bad "a symbolic link" "$tmpdir"/{1,2}.raw "$tmpdir/symbolic-link"
    bad "another path" "$tmpdir"/{1,2}.raw "$tmpdir/folder/../1.raw"
    bad "the same server" "$tmpdir"/{1,2}.raw "$(uri_of three)" "$(uri_of three)"
    bad "the same socket" "$tmpdir"/{1,2}.raw "$(uri_of three)" \
        "nbd+unix:///?socket=$tmpdir/folder/../three.sock"
done
quorum_form=plugin
refused "a TCP port with and without its number" "same storage as" "$tmpdir/1.raw" \
    nbd://localhost/ nbd://localhost:10809
done_testing
