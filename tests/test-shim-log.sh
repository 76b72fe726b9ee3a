#!/usr/bin/env bash
# Warnings and news of a module go where nbdkit's errors go, and say what they are.
. "${0%/*}/shim-functions.sh"

requires_no_sanitizers

empty_image "$tmpdir/disk" 1M
export FAKE_SYSLOG=$tmpdir/syslog

# LOG_DAEMON with LOG_ERR, LOG_WARNING and LOG_NOTICE.
in_syslog=$'27 a 100%s\n28 warning: a 100%s\n29 a 100%s'
on_stderr=$'nbdkit: error: a 100%s\nnbdkit: warning: a 100%s\nnbdkit: a 100%s'

# served ARGUMENT...: what is on stderr and in syslog after a server in which the
# module has spoken has answered a request.
served()
{
    : > "$tmpdir/syslog"
    LD_PRELOAD=$abs_top_builddir/tests/modules/.libs/fake-syslog.so timeout 60 nbdkit \
        "${module[@]}" pass-say='a 100%s' "$@" > /dev/null 2> "$tmpdir/stderr"
}

# goes TEXT WHERE: what was said went there, and nowhere else.
goes()
{
    local stderr='' syslog=''
    case $2 in
        stderr) stderr=$on_stderr ;;
        syslog) syslog=$in_syslog ;;
    esac
    is "$(grep -v ' debug: ' "$tmpdir/stderr" | grep '100%s')" "$stderr" "$1: on stderr"
    is "$(grep '100%s' "$tmpdir/syslog")" "$syslog" "$1: in syslog"
}

# daemon ARGUMENT...: served, by a server in the background.
daemon()
{
    rm -f "$tmpdir/daemon.sock" "$tmpdir/daemon.pid"
    served -U "$tmpdir/daemon.sock" -P "$tmpdir/daemon.pid" "$@"
    wait_for 10 test -s "$tmpdir/daemon.pid"
    local pid
    pid=$(cat "$tmpdir/daemon.pid")
    at_exit_kill "$pid"
    timeout 30 nbdinfo --size "$(uri_of daemon)" > /dev/null
    end_process "$pid"
}

for form in filter plugin; do
    if [ $form = filter ]; then
        module=(--filter="$pass_filter" file "$tmpdir/disk")
    else
        module=("$pass_plugin" "$tmpdir/disk")
    fi
    # shellcheck disable=SC2016
    run=(-U - --run 'nbdinfo --size "$uri"')

    served "${run[@]}"
    goes "$form: --run" stderr
    served --log=syslog "${run[@]}"
    goes "$form: --log=syslog" syslog
    served --log null "${run[@]}"
    goes "$form: --log null" nowhere
    daemon
    goes "$form: in the background" syslog
    daemon -v
    goes "$form: in the background, with -v" syslog
    daemon -v --log=stderr
    goes "$form: in the background, with -v --log=stderr" stderr
done

done_testing
