# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# Images with known content, sourced by the *-functions.sh of a module.

# pattern_image FILE SIZE BYTE: BYTE as 0x41.
pattern_image()
{
    local octal
    octal=$(printf '%03o' "$3")
    head -c "$(numfmt --from=iec "$2")" /dev/zero | tr '\0' "\\$octal" > "$1"
}

# overwrite FILE BYTE OFFSET LENGTH: behind everybody's back, without locks.
overwrite()
{
    local octal offset length
    octal=$(printf '%03o' "$2")
    offset=$(numfmt --from=iec "$3") length=$(numfmt --from=iec "$4")
    head -c "$length" /dev/zero | tr '\0' "\\$octal" |
        dd of="$1" bs=1M iflag=fullblock oflag=seek_bytes seek="$offset" conv=notrunc status=none
}

# holds FILE BYTE OFFSET LENGTH: whether it does.
holds()
{
    local image=$tmpdir/.holds
    pattern_image "$image" "$4" "$2"
    cmp -s -n "$(stat -c %s "$image")" -i "$(numfmt --from=iec "$3"):0" "$1" "$image"
}
