#!/usr/bin/perl
# SPDX-License-Identifier: BSD-3-Clause
#
# qmp.pl [--timeout=SECONDS] [--events=N] SOCKET [COMMAND...]
#
# A QMP client that knows nothing of our own tools, to test the socket from the
# other side.  A COMMAND is a JSON object, or the name of one without arguments.
# Prints each answer on a line (keys sorted).  With --events it prints the
# events that come, until there are N.  Exit status 1: an answer was an error;
# 2: what came was not QMP, or not in time.
use strict;
use warnings;
use Getopt::Long qw(GetOptions);
use IO::Socket::UNIX;
use JSON::PP;

my ($timeout, $events) = (10, 0);
GetOptions('timeout=i' => \$timeout, 'events=i' => \$events) && @ARGV
    or die "usage: qmp.pl [--timeout=SECONDS] [--events=N] SOCKET [COMMAND...]\n";
my $path = shift;
my $json = JSON::PP->new->canonical->utf8;

$SIG{ALRM} = sub { give_up("no answer within $timeout s") };
alarm $timeout;

my $socket = IO::Socket::UNIX->new(Peer => $path) or give_up("$path: $!");
$socket->autoflush(1);
receive()->{QMP} or give_up('no greeting');
my $failed = 0;
command({ execute => 'qmp_capabilities' }, 0);
command(/^\s*\{/ ? $json->decode($_) : { execute => $_ }, 1) for @ARGV;
while ($events > 0) {
    my $message = receive();
    next unless $message->{event};
    print $json->encode($message), "\n";
    --$events;
}
exit($failed ? 1 : 0);

sub command {
    my ($request, $print) = @_;
    print {$socket} $json->encode($request), "\r\n";
    my $answer;
    do {
        $answer = receive();
        if ($answer->{event} && $events > 0) {
            print $json->encode($answer), "\n";
            --$events;
        }
    } while $answer->{event};
    print $json->encode($answer), "\n" if $print;
    $failed = 1 unless exists $answer->{return};
}

sub receive {
    my $line = <$socket>;
    give_up('the connection was closed') unless defined $line;
    my $message = eval { $json->decode($line) };
    give_up("not JSON: $line") unless ref $message eq 'HASH';
    return $message;
}

sub give_up {
    print STDERR "qmp.pl: @_\n";
    exit 2;
}
