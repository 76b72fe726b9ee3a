#!/usr/bin/perl
# SPDX-License-Identifier: BSD-3-Clause
#
# make-log.pl LOG ENTRY...
#
# Writes a log in the plain format, without our extensions, for what no recorder
# writes: odd marks, very many entries, places far away.  An ENTRY is
#
#     write:SECTOR:SECTORS:BYTE   discard:SECTOR:SECTORS   flush   fua:SECTOR:BYTE
#     mark:TEXT (with \xNN)       N*ENTRY, N times the same
use strict;
use warnings;
no warnings 'portable';    # 64-bit numbers

my ($path, @entries) = @ARGV;
open my $log, '>:raw', $path or die "$path: $!\n";
my $count = 0;

sub header
{
    my ($sector, $sectors, $flags, $text) = @_;
    $text //= '';
    $count++;
    print $log pack('a512', pack('Q<4', $sector, $sectors, $flags, length $text) . $text);
}

sub add
{
    my ($kind, $rest) = split /:/, $_[0], 2;
    my @values = split /:/, $rest // '';
    if ($kind eq 'write') {
        header($values[0], $values[1], 0);
        print $log chr($values[2]) x ($values[1] * 512);
    } elsif ($kind eq 'fua') {
        header($values[0], 1, 2);
        print $log chr($values[1]) x 512;
    } elsif ($kind eq 'discard') {
        header($values[0], $values[1], 4);
    } elsif ($kind eq 'flush') {
        header(0, 0, 1);
    } elsif ($kind eq 'mark') {
        $rest =~ s/\\x([0-9a-f]{2})/chr hex $1/ge;
        header(0, 0, 8, $rest);
    } else {
        die "what is $_[0]?\n";
    }
}

print $log "\0" x 512;
for my $entry (@entries) {
    my ($times, $what) = $entry =~ /^(\d+)\*(.*)$/ ? ($1, $2) : (1, $entry);
    add($what) for 1 .. $times;
}
seek $log, 0, 0;
print $log pack('Q<3 L<', 0x006a736677736872, 1, $count, 512);
close $log or die "$path: $!\n";
