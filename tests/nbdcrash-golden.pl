#!/usr/bin/env perl
# SPDX-License-Identifier: BSD-3-Clause
#
# nbdcrash-golden.pl NBDCRASH FOLDER NAME
#
# Compares what nbdcrash says of the log FOLDER/NAME with FOLDER/golden.json:
# superblock, entries, where they end, what is behind them, and the SHA-256 of
# the device after a full replay.  Prints what is different and ends with 1.

use strict;
use warnings;
use Digest::SHA;
use JSON::PP;

my ($nbdcrash, $folder, $name) = @ARGV;
my $log = "$folder/$name";
my $image = "$ENV{tmpdir}/golden.img";
my $bytes = "";
my @wrong;

sub slurp
{
    my ($file) = @_;
    open my $in, "<:raw", $file or die "$file: $!\n";
    local $/;
    return scalar <$in>;
}

# The output of nbdcrash and its exit status.
sub run
{
    my @command = ("timeout", 30, $nbdcrash, @_);
    open my $out, "-|", @command or die "$nbdcrash: $!\n";
    local $/;
    my $text = <$out> // "";
    close $out;
    return ($text, $? >> 8, $? & 127);
}

sub check
{
    my ($what, $got, $expected) = @_;
    ($got, $expected) = map { $_ // "null" } $got, $expected;
    push @wrong, "$what: got $got, expected $expected" unless $got eq $expected;
}

sub compare_entry
{
    my ($got, $expected) = @_;
    my $i = $expected->{i};
    check("entry $i: position", $got->{position}, $expected->{pos});
    check("entry $i: sector", $got->{sector}, $expected->{sector});
    check("entry $i: sectors", $got->{sectors}, $expected->{nr_sectors});
    check("entry $i: flags", $got->{flags}, $expected->{flags});
    check("entry $i: data length", $got->{"data-length"}, $expected->{data_len});
    check("entry $i: mark", $got->{mark}, $expected->{mark});
    # Of the bytes behind the fields, only the first eight must be zero.
    my $dirty = $expected->{pad_nonzero} && substr($bytes, $expected->{pos} + 32, 8) =~ /[^\0]/;
    check("entry $i: padding", $got->{"dirty-padding"} ? 1 : 0, $dirty ? 1 : 0);
    check("entry $i: flags in words", $got->{"flags-text"}, $expected->{flags_str})
        if $got->{flags} < 32;
}

sub compare_entries
{
    my ($list, $golden) = @_;
    my @good = grep { !$_->{error} } @{ $golden->{entries} // $golden->{entries_head} };
    my @bad = grep { $_->{error} } @{ $golden->{entries} // [] };
    for my $expected (@good) {
        compare_entry($list->{entries}[ $expected->{i} ] // {}, $expected);
    }
    check("number of entries", scalar @{ $list->{entries} }, scalar @good) if $golden->{entries};
    if ($golden->{flag_counts}) {
        my %count;
        $count{ $_->{"flags-text"} }++ for @{ $list->{entries} };
        check("entries with $_", $count{$_}, $golden->{flag_counts}{$_})
            for keys %{ $golden->{flag_counts} };
    }
    for my $expected (@bad) {
        check("damaged entry", $list->{damage}{entry}, $expected->{i});
        check("its position", $list->{damage}{position}, $expected->{pos});
    }
    check("damage", $list->{damage}, undef) unless @bad;
    return scalar @bad;
}

# The content of the first $size bytes; what the image has not are zeroes.
sub sha_of_device
{
    my ($size) = @_;
    my $content = slurp($image);
    $content = substr($content, 0, $size);
    $content .= "\0" x ($size - length $content);
    return Digest::SHA::sha256_hex($content);
}

my $golden = decode_json(slurp("$folder/golden.json"))->{$name} or die "$name: not in golden.json\n";
my ($text, $status, $signal) = run("info", "--json", "--no-index", $log);
die "killed by signal $signal\n" if $signal;

# Nothing usable: no superblock, or one that is refused.
if (!$golden->{end_pos}) {
    check("exit status", $status, 2);
    check("output", $text, "");
    print "$_\n" for @wrong;
    exit(@wrong ? 1 : 0);
}

$bytes = slurp($log);
my $info = decode_json($text);
check("file size", $info->{"file-bytes"}, $golden->{file_size});
check("version", $info->{version}, $golden->{super}{version});
check("counted entries", $info->{"counted-entries"}, $golden->{super}{nr_entries});
check("sector size", $info->{"sector-bytes"}, $golden->{super}{sectorsize});
check("end position", $info->{"end-position"}, $golden->{end_pos});

($text) = run("list", "--json", "--no-index", $log);
my $damaged = compare_entries(decode_json($text), $golden);
check("exit status of info", $status, $damaged ? 1 : 0);
check("entries behind the end", $info->{tail}{"plausible-entries"},
    scalar @{ $golden->{tail_beyond_nr_entries} // [] }) unless $damaged;

unlink $image;
my $reach = $info->{"reach-bytes"};
my $size = $golden->{device_size} // 1 << 20;
my $larger = $reach > $size ? $reach : $size;
(undef, $status) = run("replay", "--json", "--no-index", $log, $image, "--size", $larger);
check("exit status of replay", $status, $damaged ? 2 : 0);
check("an image of a damaged log", -e $image ? "made" : "none", "none") if $damaged;
check("SHA-256 of the replay", sha_of_device($size), $golden->{replayed_sha256})
    if $golden->{replayed_sha256};
print "$_\n" for @wrong;
exit(@wrong ? 1 : 0);
