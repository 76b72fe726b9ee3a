#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A parameter that nobody knows is an error, not ignored.
. "${0%/*}/quorum-fault-functions.sh"

three_images 1M 0x5a
for quorum_form in plugin filter; do
    refused "$quorum_form: unknown" "quorum-colour" "$tmpdir"/{1,2,3}.raw quorum-colour=red
    refused "$quorum_form: misspelt" "quorum-treshold" "$tmpdir"/{1,2,3}.raw quorum-treshold=2
done
done_testing
