#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A copy is of one source: another size, another name, another content is refused,
# and both values are named.
. "${0%/*}/cor-functions.sh"

random_image "$tmpdir/source.raw" 2M 1
cp "$tmpdir/source.raw" "$tmpdir/kept.raw"
random_image "$tmpdir/other.raw" 2M 2
for cor_form in plugin filter; do
    start_cor c "$tmpdir/source.raw"
    qemu_io c -c 'read 0 128k' -c flush > /dev/null
    stop_nbdkit c

    truncate -s 3M "$tmpdir/source.raw"
    refuses_to_start "$cor_form: another size" 'copy of 2097152 bytes.*3145728 bytes' \
        c "$tmpdir/source.raw"
    refuses_to_start "$cor_form: another name" "copy of '.*source.raw', the source is now '.*other.raw'" \
        c "$tmpdir/other.raw"
    cp "$tmpdir/other.raw" "$tmpdir/source.raw"
    if [ $cor_form = plugin ]; then
        refuses_to_start "$cor_form: another content" 'is not what was copied' c "$tmpdir/source.raw"
    else
        start_cor c "$tmpdir/source.raw"
        fails "$cor_form: another content: clients are refused" qemu_io c -c 'read 0 64k'
        like "$(cat "$tmpdir/c.log")" 'is not what was copied' "$cor_form: the log says why"
        is "$(status_of c source-state)" refused "$cor_form: and the status"
        stop_nbdkit c
    fi
    cp "$tmpdir/kept.raw" "$tmpdir/source.raw"
    start_cor c "$tmpdir/source.raw"
    export_is c "$tmpdir/source.raw" "$cor_form: the right source is taken again"
    stop_nbdkit c
    rm -f "$(copy_of c)"*
done

# The wrong one comes back at the address of a source that was lost.
cor_form=plugin
start_nbdkit far file "$tmpdir/source.raw"
start_cor c "$(uri_of far)" cor-timeout=2s
ok "a cluster is fetched" qemu_io c -c 'read 0 64k'
kill_nbdkit far
start_nbdkit far file "$tmpdir/other.raw"
fails "nothing is read of another image at the same address" qemu_io c -c 'read 1M 64k'
like "$(cat "$tmpdir/c.log")" 'is not what was copied' "the log says why"
done_testing
