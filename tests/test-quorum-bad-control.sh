#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The control socket: wrong places, two servers on one socket, garbage and far
# too much of it while clients work.
. "${0%/*}/quorum-fault-functions.sh"

three_images 1M 0x5a
images=("$tmpdir"/{1,2,3}.raw)
# bad NAME REGEX SOCKET
bad()
{
    local name=$1 regex=$2 socket=$3 before status
    before=$(_images)
    rm -f "$tmpdir/refused.log"
    if try_nbdkit refused "$quorum_plugin" quorum-child="${images[0]}" \
        quorum-child="${images[1]}" quorum-child="${images[2]}" quorum-control="$socket"; then
        stop_nbdkit refused
        fail "$name" "it started"
        return
    fi
    wait "$(pid_of refused)"
    status=$?
    _refusal "$name" "$regex" "$before" "$status"
}
long=$tmpdir/$(printf 'x%.0s' {1..120})
bad "a path that is too long" "control socket '$long'.*bytes" "$long"
bad "a folder that is not there" "nowhere/s'.*No such file" "$tmpdir/nowhere/s"
bad "a file in the way" "1\.raw'" "$tmpdir/1.raw"
bad "a folder in the way" "'$tmpdir'|$tmpdir" "$tmpdir"

start_quorum q "${images[@]}"
watch_events q
for i in 4 5 6; do pattern_image "$tmpdir/$i.raw" 1M 0x5a; done
images=("$tmpdir"/{4,5,6}.raw)
bad "a socket that another server uses" "q\.control'" "$(control_of q)"
does "the first server still has it" query-status

stress_begins q --requests=6000
perl -MIO::Socket::UNIX -e '
    $SIG{PIPE} = "IGNORE";
    # Garbage of all kinds; each connection may be closed by the server.
    srand 1;
    for my $text ("\0" x 4096, "{" x 100000, "[" x 100000, "}\n" x 1000, "\xff\xfe\xfd\n",
                  "{\"execute\":1}\n", "{\"execute\":\"quit\",\"arguments\":7}\n", "null\n", "\"" . "a" x 65536,
                  map { join "", map { chr rand 256 } 1 .. 10000 } 1 .. 20) {
        my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or next;
        $s->syswrite($text);
        close $s;
    }
    # 100 MiB in one line.
    my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die;
    my $sent = 0;
    my $block = "x" x 65536;
    $s->syswrite("{\"execute\":\"");
    while ($sent < 100 << 20) { my $n = $s->syswrite($block) or last; $sent += $n; }
    print "sent $sent bytes\n";' "$(control_of q)" > "$tmpdir/.sent" 2>&1
diag "$(cat "$tmpdir/.sent")"
stress_ends "meanwhile clients read what is right"
does "and the socket works" query-status
memory=$(sed -n 's/^VmHWM:[[:space:]]*\([0-9]*\).*/\1/p' "/proc/$(pid_of q)/status")
if with_sanitizers; then
    skip "it was not kept in memory" "a sanitizer's own memory is counted too"
else
    ok "it was not kept in memory ($memory KiB at most)" test "$memory" -lt 100000
fi
identical "the children are equal"
stop_nbdkit q
is $? 0 "the server ends properly"
done_testing
