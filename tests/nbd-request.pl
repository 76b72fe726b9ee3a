#!/usr/bin/perl
# SPDX-License-Identifier: BSD-3-Clause
#
# nbd-request.pl SOCKET zero|trim|cache|status OFFSET LENGTH
#
# Sends one NBD request exactly as it is told.  The usual clients cut long
# requests into pieces and round their lengths, so they never ask for what NBD
# allows and what servers get wrong.  Prints the extents of a status request, as
# "LENGTH FLAGS" lines.  Exit status 1: the server answered with an error; 2: it
# answered nothing, or not in time.
use strict;
use warnings;
use IO::Socket::UNIX;

use constant {
    NBDMAGIC => 'NBDMAGIC', IHAVEOPT => 'IHAVEOPT',
    OPT_GO => 7, OPT_STRUCTURED_REPLY => 8, OPT_SET_META_CONTEXT => 10,
    REP_ACK => 1, REP_ERROR => 1 << 31,
    REQUEST => 0x25609513, SIMPLE => 0x67446698, STRUCTURED => 0x668e33ef,
    CHUNK_DONE => 1, CHUNK_STATUS => 5, CHUNK_ERROR => 1 << 15,
    CMD_DISC => 2,
};
my %command = (trim => 4, cache => 5, zero => 6, status => 7);

@ARGV == 4 && $command{$ARGV[1]} or die "usage: nbd-request.pl SOCKET zero|trim|cache|status OFFSET LENGTH\n";
my ($path, $name, $offset, $length) = @ARGV;

$SIG{ALRM} = sub { give_up('no answer within 30 s') };
$SIG{PIPE} = 'IGNORE';
alarm 30;
my $socket = IO::Socket::UNIX->new(Peer => $path) or give_up("$path: $!");
$socket->autoflush(1);

receive(16) eq NBDMAGIC . IHAVEOPT or give_up('not an NBD server');
receive(2);
send_all(pack('N', 3));    # fixed newstyle, no zeroes
option(OPT_STRUCTURED_REPLY, '');
option(OPT_SET_META_CONTEXT, pack('N N N/a', 0, 1, 'base:allocation'));
option(OPT_GO, pack('N n', 0, 0));

send_all(pack('N n n Q> Q> N', REQUEST, 0, $command{$name}, 1, $offset, $length));
my $error = answer();
send_all(pack('N n n Q> Q> N', REQUEST, 0, CMD_DISC, 2, 0, 0));
if ($error) {
    print STDERR "nbd-request.pl: $name: error $error\n";
    exit 1;
}

sub option
{
    my ($option, $data) = @_;
    send_all(IHAVEOPT . pack('N N/a', $option, $data));
    while (1) {
        my (undef, undef, $type, $size) = unpack('Q> N N N', receive(20));
        receive($size);
        give_up("option $option was refused") if $type & REP_ERROR;
        return if $type == REP_ACK;
    }
}

# Reads the answer; returns its error, 0 for none.
sub answer
{
    my $error = 0;
    while (1) {
        my $magic = unpack('N', receive(4));
        return unpack('N', receive(12)) if $magic == SIMPLE;
        $magic == STRUCTURED or give_up(sprintf 'an answer that begins with %x', $magic);
        my ($flags, $type, undef, $size) = unpack('n n Q> N', receive(16));
        my $payload = receive($size);
        if ($type & CHUNK_ERROR) {
            $error = unpack('N', $payload);
        } elsif ($type == CHUNK_STATUS) {
            my (undef, @extents) = unpack('N (N N)*', $payload);
            while (my ($bytes, $state) = splice @extents, 0, 2) {
                print "$bytes $state\n";
            }
        }
        return $error if $flags & CHUNK_DONE;
    }
}

sub receive
{
    my ($size) = @_;
    my $data = '';
    while (length $data < $size) {
        my $n = sysread $socket, $data, $size - length $data, length $data;
        give_up('the server has closed the connection') unless $n;
    }
    return $data;
}

sub send_all { print $socket $_[0] or give_up("cannot send: $!") }

sub give_up
{
    print STDERR "nbd-request.pl: $_[0]\n";
    exit 2;
}
