#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Children that cannot be opened: which one, why, and what to do.
. "${0%/*}/quorum-fault-functions.sh"
export LC_ALL=C

three_images 1M 0x5a
mkdir "$tmpdir/folder"
for quorum_form in plugin filter; do
    # bad NAME REGEX CHILD
    bad() { refused "$quorum_form: $1" "quorum-child.*$2" "$tmpdir"/{1,2}.raw "${@:3}"; }
    bad "a file that is not there" "missing\.raw.*does not exist.*existing file" "$tmpdir/missing.raw"
    bad "a folder that is not there" "nowhere/3\.raw.*does not exist.*existing file" "$tmpdir/nowhere/3.raw"
    bad "a folder" "folder.*directory" "$tmpdir/folder"
    bad "a character device" "/dev/zero" /dev/zero
    bad "an unknown scheme" "ftp://.*allowed are nbd://" ftp://localhost/3.raw
    bad "QEMU's form of an NBD server" "write nbd://localhost:10809" nbd:localhost:10809
    bad "an unclosed bracket" "bracket" "[ nbdkit memory 1M"
    bad "a socket that is not there" "missing\.sock.*No such file" \
        "nbd+unix:///?socket=$tmpdir/missing.sock"
    bad "a port that refuses" "localhost:1.*refused" nbd://localhost:1/
    bad "a command that fails" "false" "[ false ]"
    bad "a command that is not there" "no-such-program" "[ no-such-program ]"
done
quorum_form=plugin
refused "no child at all" "give quorum-child=SPEC"
refused "a name twice" "quorum-child.a.*given already" "$tmpdir/1.raw" \
    quorum-child.a="$tmpdir/2.raw" quorum-child.a="$tmpdir/3.raw"
done_testing
