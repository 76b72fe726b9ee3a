#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# No flipped bit makes nbdcrash crash; in a log of ours, none of a header or a
# body becomes content that nobody wrote.
. "${0%/*}/nbdcrash-functions.sh"
. "${0%/*}/logwrites-functions.sh"

# flip LOG STEP [IMAGE]: flips a bit of every STEP-th byte, replays, and prints a
# line for each flip that ends in another way than an error or the right image.
flip()
{
    perl -e '
        my ($nbdcrash, $source, $step, $right, $log, $image) = @ARGV;
        local $/; open my $in, "<:raw", $source or die; my $bytes = <$in>;
        my $content;
        if ($right) { open $in, "<:raw", $right or die; $content = <$in>; }
        for (my $at = 0; $at < length $bytes; $at += $step) {
            my $bad = $bytes;
            substr($bad, $at, 1) ^= chr(1 << ($at / $step + $at) % 8);
            open my $out, ">:raw", $log or die; print $out $bad; close $out;
            unlink $image;
            my $text = `timeout 10 "$nbdcrash" replay --no-index "$log" "$image" 2>&1`;
            my $status = $?;
            if ($status == 0 && !$right) {
                next;
            } elsif ($status == 0) {
                open $in, "<:raw", $image or die; my $got = <$in>;
                print "byte $at: another device\n$text" unless $got eq $content;
            } elsif ($status != 2 << 8 || $text !~ /^nbdcrash: /) {
                print "byte $at: status $status: $text";
            }
        }' "$nbdcrash" "$1" "$2" "${3:-}" "$tmpdir/flipped" "$tmpdir/image"
}

log=$tmpdir/disk.logwrites
empty_image "$tmpdir/disk.img" 64K
start_logwrites l
requests l 'write -P 0x41 0 512' 'write -P 0x42 600 100' flush 'discard 8k 4k' flush > /dev/null
stop_nbdkit l
is "$(flip "$log" 23 "$tmpdir/disk.img")" "" "a log of ours: an error, or the right device"

# Plain logs have no checksums: only that nothing crashes can be asked for.
is "$(flip "$samples/synthetic/syn1.log" 29)" "" "a plain log: an error or some device"

done_testing
