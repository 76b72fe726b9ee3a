#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A log that is cut anywhere: what is whole is read, what is not is named with
# its byte and its number, and nothing is made up.
. "${0%/*}/nbdcrash-functions.sh"

# Prints a line for each length that is not handled as it must be.
cut_everywhere()
{
    perl -MJSON::PP -e '
        my ($nbdcrash, $source, $log) = @ARGV;
        open my $in, "<:raw", $source or die; local $/; my $bytes = <$in>;
        my @ends;   # of entries 0, 1, ...
        for (my $at = 512; $at < length $bytes;) {
            my ($sectors, $flags) = unpack "x8 Q< Q<", substr $bytes, $at, 24;
            $at += 512 * (1 + ($flags & 4 ? 0 : $sectors));
            push @ends, $at;
        }
        # Around the end of each header and body, and here and there between.
        my %lengths = map { $_ * 61 => 1 } 0 .. length($bytes) / 61;
        for my $end (28, 512, @ends, map { $_ + 512 } @ends) {
            $lengths{$_} = 1 for grep { $_ < length $bytes } $end - 1, $end, $end + 1;
        }
        for my $length (sort { $a <=> $b } keys %lengths) {
            open my $out, ">:raw", $log or die; print $out substr $bytes, 0, $length; close $out;
            my $text = `timeout 10 "$nbdcrash" info --json --no-index "$log" 2>&1`;
            my $status = $?;
            my $whole = grep { $_ <= $length } @ends;
            if ($length < 28) {
                print "$length: status $status\n$text" unless $status == 2 << 8;
                next;
            }
            my $info = eval { decode_json($text) };
            my $from = $whole ? $ends[$whole - 1] : 512;
            print "$length: status $status\n$text" and next unless $info && $status == 1 << 8;
            my $damage = $info->{damage} // {};
            print "$length: $text" unless $info->{entries} == $whole &&
                $damage->{entry} == $whole && $damage->{position} == $from &&
                $damage->{text} =~ /^entry $whole at byte $from: /;
        }' "$nbdcrash" "$1" "$log"
}
is "$(cut_everywhere "$samples/synthetic/meta.log")" "" "meta.log"

# What needs the whole log refuses it, and touches nothing.
use_log synthetic/syn1
truncate -s 6000 "$log"
for command in "replay $log $tmpdir/image" "diff $log 0 end" "verify $log $data/logs/README.md" \
    "convert $log $tmpdir/out" "compact $log $tmpdir/out"; do
    # shellcheck disable=SC2086
    refuses "${command%% *}" "entry 6 at byte 5632: the file ends at byte 6000" crash $command
done
ok "no file was made" test ! -e "$tmpdir/image" -a ! -e "$tmpdir/out"
exits 1 "list shows what there is" crash list "$log"
like "$(cat "$tmpdir/.ok.log")" \
    "entry 6 at byte 5632: the file ends at byte 6000" "and says where it ends"

done_testing
