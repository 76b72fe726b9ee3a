#!/usr/bin/env bash
# A fast zero works where the plugin is fast; where it is not, the answer is
# "not supported" and nothing has changed.
. "${0%/*}/shim-functions.sh"

start_nbdkit fast --filter="$pass_filter" memory 4M
like "$(nbd_info fast)" 'can_fast_zero: true' "memory: fast zero is offered"
ok "and works" qemu_io fast -c 'write -P 5 0 1M' -c 'write -z -n 0 1M' -c 'read -P 0 0 1M'

start_nbdkit slow --filter="$pass_filter" --filter=nozero memory 4M zeromode=emulate
ok "emulated: other content" qemu_io slow -c 'write -P 5 0 1M'
fails_like "emulated: not supported" 'not supported' qemu_io slow -c 'write -z -n 0 1M'
ok "and nothing has changed" qemu_io slow -c 'read -P 5 0 1M'

done_testing
