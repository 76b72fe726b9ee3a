#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# What may include what: the arrows between rooms run down, and there is no circle.
# docs/architecture.md draws them.
. "${0%/*}/functions.sh"

# A room of common/ includes only itself and rooms before it.
rooms=(core thread device file nbd child format store control replay nbdkit)

# Headers that hold a Json, so json_fwd.h is not enough for them; whoever includes
# one builds or reads JSON anyway.
json_headers=(
    common/control/json.h           # the wrapper itself
    common/control/event.h          # an event has its data
    common/control/qmp_client.h     # a queue of events
    tools/nbdcrash/explore/report.h         # the question of a run
    tools/nbdcrash/explore/second_result.h  # parts of a report
)

cd "$abs_top_srcdir" || bail_out "no $abs_top_srcdir"

# includes FOLDER...: a line "FILE INCLUDED" for each #include of a file there.
includes()
{
    find "$@" -name build -prune -o -type f \( -name '*.cc' -o -name '*.h' \) -exec \
        grep -H -o -E '^[[:space:]]*#[[:space:]]*include[[:space:]]*["<][^">]+' {} + |
        sed -E 's/:[[:space:]]*#[^"<]*["<]/ /'
}

# forbidden PATTERN [EXCEPTION]: of such lines, those whose included file matches
# PATTERN and whose own name does not match EXCEPTION.
forbidden()
{
    awk -v pattern="$1" -v exception="${2:-^$}" '$2 ~ pattern && $1 !~ exception {
        print $1 " includes " $2 }'
}

# upward FOLDER ROOM...: includes of FOLDER that go to a room that comes later, or
# that is none of these.
upward()
{
    local folder=$1
    shift
    includes "$folder" | awk -v folder="$folder/" -v rooms="$*" '
        BEGIN { for (n = split(rooms, list, " "); n > 0; n--) order[list[n]] = n }
        function room(file, parts) {
            if (index(file, folder) != 1) return ""
            split(substr(file, length(folder) + 1), parts, "/")
            return parts[1]
        }
        { from = room($1); to = room($2) }
        !(from in order) { print $1 " is in no room of the list"; next }
        to != "" && (!(to in order) || order[to] > order[from]) { print $1 " includes " $2 }'
}

# circle FOLDER: rooms of FOLDER that include one another, if there are such.
circle()
{
    includes "$1" | sed -n -E "s,^$1/([^/ ]+)/[^ ]* $1/([^/ ]+)/.*,\1 \2,p" | sort -u |
        tsort 2>&1 > /dev/null | sed -n 's/^tsort: //p'
}

# other_filters FILTER: what it includes of the others, of plugins and tools.
other_filters()
{
    includes "filters/$1" | forbidden '^(filters|plugins|tools|tests)/' | grep -v " filters/$1/"
}

# ---- the checks see what they are for ------------------------------------------

mkdir -p "$tmpdir"/tree/{common/{low,high},filters/{one,two}/{a,b,c}}
cd "$tmpdir/tree" || bail_out "no $tmpdir/tree"
echo '#include "common/low/x.h"' > common/high/y.h
echo '#include "common/low/z.h"' > common/low/x.h
echo '#include "filters/one/b/x.h"' > filters/one/a/x.h
echo '#include "filters/one/c/x.h"' > filters/one/b/x.h
is "$(upward common low high; circle common; circle filters/one; other_filters one)" "" \
    "a good tree passes"
echo '  #  include "common/high/y.h"' >> common/low/z.cc
is "$(upward common low high)" "common/low/z.cc includes common/high/y.h" "an arrow up is seen"
is "$(upward common high | sort -u)" "common/high/y.h includes common/low/x.h
common/low/x.h is in no room of the list
common/low/z.cc is in no room of the list" "and a room that is not in the list"
isnt "$(circle common)" "" "and that this makes a circle"
echo '#include "filters/one/a/x.h"' > filters/one/c/x.h
isnt "$(circle filters/one)" "" "a circle of three is seen"
echo '#include "filters/two/a/x.h"' >> filters/one/c/x.h
is "$(other_filters one)" "filters/one/c/x.h includes filters/two/a/x.h" \
    "an include of another filter is seen"
is "$(printf '%s\n' 'a.h json.h' 'b.h json.h' 'c.h x.h' | forbidden '^json.h$' '^b')" \
    "a.h includes json.h" "what is forbidden is seen, but for exceptions"

# ---- the tree --------------------------------------------------------------------

cd "$abs_top_srcdir" || bail_out "no $abs_top_srcdir"
is "$(upward common "${rooms[@]}")" "" "arrows between the rooms of common/ run down"
is "$(includes common | forbidden '^(filters|plugins|tools|tests)/')" "" \
    "common/ includes nothing of what uses it"
is "$(includes common/core common/format |
    forbidden '^(nbdkit|libnbd|thread|jthread|mutex|shared_mutex|condition_variable|future|pthread)')" \
    "" "core and format know no threads, no libnbd, no nbdkit"
is "$(includes common filters plugins tools |
    forbidden '^(nbdkit-|common/nbdkit/)' '^common/nbdkit/|/(filter|plugin)\.cc$' |
    grep -v ' common/nbdkit/module\.h$')" "" \
    "filter.cc and plugin.cc alone know nbdkit; a Module does not"
is "$(includes common filters plugins tools | forbidden '^libnbd\.h$' '^common/nbd/')" "" \
    "common/nbd alone knows libnbd"

for folder in filters/*/; do
    name=$(basename "$folder")
    is "$(other_filters "$name")" "" "filter $name includes nothing of another"
done

exceptions=$(IFS='|'; echo "^(${json_headers[*]})$|\.cc$")
is "$(includes common filters plugins tools |
    forbidden '^(common/control/json\.h|nlohmann/json\.hpp)$' "$exceptions")" "" \
    "headers name Json through json_fwd.h"
for header in "${json_headers[@]}"; do
    ok "$header still needs its exception" grep -q -E 'json\.(h|hpp)[">]' "$header"
done

is "$(circle filters/replication)" "" "the rooms of replication have no circle"
is "$(includes filters/replication/pair |
    forbidden '^filters/replication/(primary|secondary)/')" "" \
    "pair, what both sides are, includes neither side"

done_testing
