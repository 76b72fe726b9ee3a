#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU's case 041, TestFilters.test_cor: what reads through the copy does not make
# all of it local: block status is answered without fetching, and tells.
. "${0%/*}/cor-functions.sh"

empty_image "$tmpdir/base.raw" 1M
pattern_image "$tmpdir/half.raw" 512K 1
dd if="$tmpdir/half.raw" of="$tmpdir/base.raw" conv=notrunc status=none
for cor_form in plugin filter; do
    start_cor $cor_form "$tmpdir/base.raw"
    is "$(timeout 20 nbdinfo --map --totals "$(uri_of $cor_form)" | awk '{print $1, $NF}' | sort | xargs)" \
        "524288 data 524288 hole,zero" "$cor_form: half of it is data"
    is "$(status_of $cor_form local-clusters)" 0 "$cor_form: asking makes nothing local"
    export_is $cor_form "$tmpdir/base.raw" "$cor_form: a copy is equal"
    is "$(data_of "$(copy_of $cor_form)")" "0+524288" "$cor_form: what has data was copied"
    is "$(status_of $cor_form local-clusters)" 8 "$cor_form: the holes were not even read"
done
done_testing
