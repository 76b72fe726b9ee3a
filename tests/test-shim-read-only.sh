#!/usr/bin/env bash
# nbdkit -r is honoured: nothing can be written through the filter or the plugin.
. "${0%/*}/shim-functions.sh"

random_image "$tmpdir/disk" 1M 2
cp "$tmpdir/disk" "$tmpdir/before"

start_nbdkit filter -r --filter="$pass_filter" file "$tmpdir/disk"
start_nbdkit plugin -r "$pass_plugin" "$tmpdir/disk"
for each in filter plugin; do
    like "$(nbd_info $each)" 'is_read_only: true' "$each: a client is told"
    fails "$each: a write is refused" qemu_io $each -c 'write -P 7 0 64k'
    ok "$each: a read is not" qemu_io $each -r -c 'read 0 64k'
done
same_content "$tmpdir/before" "$tmpdir/disk" "nothing has changed"

done_testing
