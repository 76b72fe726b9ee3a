#!/usr/bin/env bash
# --help, --version and --dump-plugin know our modules.
. "${0%/*}/shim-functions.sh"

like "$(nbdkit --filter="$pass_filter" null --help)" 'filter: pass.*nbdkit-resilience.*pass-throw=' \
    "filter: --help"
like "$(nbdkit --filter="$pass_filter" null --version)" 'pass' "filter: --version"
ok "filter: --dump-plugin" nbdkit --filter="$pass_filter" null --dump-plugin

like "$(nbdkit "$pass_plugin" --help)" 'plugin: pass.*pass-child=<SPEC>' "plugin: --help"
like "$(nbdkit "$pass_plugin" --version)" 'pass ' "plugin: --version"
dump=$(nbdkit "$pass_plugin" --dump-plugin)
like "$dump" 'pass_version=' "plugin: --dump-plugin has the collection's version"
like "$dump" 'magic_config_key=pass-child' "plugin: the magic key"
like "$dump" 'thread_model=parallel' "plugin: the thread model"
like "$dump" 'errno_is_preserved=1' "plugin: errno is preserved"
fails_like "plugin: an unknown parameter is refused" "unknown parameter 'foo'" \
    nbdkit -f -U "$tmpdir/never.sock" "$pass_plugin" foo=bar

done_testing
