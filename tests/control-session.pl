#!/usr/bin/perl
# SPDX-License-Identifier: BSD-3-Clause
#
# control-session.pl SOCKET EVENTS
#
# One control client that stays: sends each line of its standard input as a
# command, and prints each answer (JSON, keys sorted); before the first it prints
# "ready".  Events are appended to the file EVENTS, before any answer that comes
# later is printed:
#
#     BAD NODE TYPE SECTOR+COUNT [ERROR]     QUORUM_REPORT_BAD
#     FAILURE REFERENCE SECTOR+COUNT         QUORUM_FAILURE
#     other NAME JSON                        any other event
#
# Ends when its input ends.
use strict;
use warnings;
use IO::Handle;
use IO::Select;
use IO::Socket::UNIX;
use JSON::PP;

$| = 1;
open my $events, '>>', $ARGV[1] or die "$ARGV[1]: $!\n";
$events->autoflush(1);
my $json = JSON::PP->new->canonical->utf8;
my $socket = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "$ARGV[0]: $!\n";
my $select = IO::Select->new($socket);
my $ready = 0;
my %rest = ($socket => '', \*STDIN => '');
print {$socket} qq({"execute":"qmp_capabilities"}\n);
while (1) {
    for my $handle ($select->can_read) {
        my $count = sysread $handle, $rest{$handle}, 65536, length $rest{$handle};
        exit !$ready if !$count;
        while ($rest{$handle} =~ s/^(.*?)\r?\n//) {
            $handle == $socket ? received($1) : print {$socket} "$1\r\n";
        }
    }
}

sub received {
    my $message = $json->decode($_[0]);
    if (my $name = $message->{event}) {
        print {$events} line($name, $message->{data}), "\n";
    } elsif (!$ready && exists $message->{return}) {
        $ready = 1;
        $select->add(\*STDIN);
        print "ready\n";
    } elsif (!$message->{QMP}) {
        print $json->encode($message), "\n";
    }
}

sub line {
    my ($name, $data) = @_;
    my ($first, $count) = ($data->{'sector-num'} // '', $data->{'sectors-count'} // '');
    my $where = "$first+$count";
    return join ' ', 'BAD', $data->{'node-name'}, $data->{type}, $where, $data->{error} // ()
        if $name eq 'QUORUM_REPORT_BAD';
    return "FAILURE $data->{reference} $where" if $name eq 'QUORUM_FAILURE';
    return "other $name " . $json->encode($data // {});
}
