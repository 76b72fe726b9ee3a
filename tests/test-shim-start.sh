#!/usr/bin/env bash
# All ways to start a server work: --run, as a daemon, in the foreground.
. "${0%/*}/shim-functions.sh"

empty_image "$tmpdir/disk" 4M
for form in filter plugin; do
    if [ $form = filter ]; then
        module=(--filter="$pass_filter" file "$tmpdir/disk")
    else
        module=("$pass_plugin" "$tmpdir/disk")
    fi

    if [[ $sanitizer_preload = *libtsan* ]]; then
        skip "$form: --run" "the thread sanitizer does not survive its fork"
    else
        # shellcheck disable=SC2016
        is "$(timeout 30 nbdkit -U - "${module[@]}" --run 'nbdinfo --size "$uri"')" 4194304 \
            "$form: --run"
    fi

    rm -f "$tmpdir/daemon.sock" "$tmpdir/daemon.pid"
    ok "$form: as a daemon" timeout 30 nbdkit -U "$tmpdir/daemon.sock" -P "$tmpdir/daemon.pid" \
        "${module[@]}"
    wait_for 10 test -s "$tmpdir/daemon.pid"
    pid=$(cat "$tmpdir/daemon.pid")
    at_exit_kill "$pid"
    ok "$form: it serves" qemu_io daemon -c 'write -P 5 0 64k' -c 'read -P 5 0 64k'
    ok "$form: it ends" end_process "$pid"

    start_nbdkit foreground "${module[@]}"
    ok "$form: in the foreground" qemu_io foreground -c 'read -P 5 0 64k'
    stop_nbdkit foreground
    is $? 0 "$form: status 0"
done

done_testing
