// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/secondary/difference.h"

#include <algorithm>

namespace resilience::replication {

namespace {

/// Everything that is present in `layer`.
int add(const Layer& layer, DirtyBitmap& marks, ChangeMap& map)
{
    for (std::uint64_t at = layer.next_present(0); at < layer.clusters();) {
        std::uint64_t end = at + 1;
        while (end < layer.clusters() && layer.next_present(end) == end) {
            end++;
        }
        const ByteRange range{layer.begin_of(at), layer.end_of(end)};
        marks.set(range);
        if (const int error = map.set(range)) {
            return error;
        }
        at = layer.next_present(end);
    }
    return 0;
}

}  // namespace

int note_difference(Core& core)
{
    if (!core.changes) {
        return 0;
    }
    ChangeMap& map = *core.changes;
    if (!core.consistent()) {
        if (const int error = map.set({0, core.size()})) {
            return error;
        }
    } else {
        DirtyBitmap marks(core.size(), map.bits().granularity());
        for (const Layer* layer : {core.active.get(), core.hidden.get()}) {
            if (const int error = add(*layer, marks, map)) {
                return error;
            }
        }
        map.retain(marks);
    }
    return map.set_base(core.identity().pair, core.header().checkpoint);
}

void read_changes(const ChangeMap& map, std::uint64_t offset, std::span<std::byte> into)
{
    const DirtyBitmap& bits = map.bits();
    for (std::size_t i = 0; i < into.size(); i++) {
        const std::uint64_t at = offset + i;
        const std::uint64_t word = at / sizeof(std::uint64_t);
        into[i] = word < bits.words()
                      ? static_cast<std::byte>(bits.word(word) >> (at % sizeof(std::uint64_t) * 8))
                      : std::byte{0};
    }
}

}  // namespace resilience::replication
