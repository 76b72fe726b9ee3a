// SPDX-License-Identifier: BSD-3-Clause
//
// A fuzz target (libFuzzer): any bytes as a log.  Whatever is read of them lies
// inside the file, and everything else is a LogError.
//
//   clang++ -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined -I.
//       tests/fuzz/fuzz-log.cc common/replay/{content_map,log_file,log_index}.cc
//       common/replay/{log_walk,point,state,timeline}.cc
//       common/format/dm_log_writes.cc common/core/{compare,log}.cc
//       common/file/file_lock.cc -lfmt -lxxhash -o fuzz-log
//   ./fuzz-log -max_total_time=60 CORPUS tests/fuzz/log tests/data/logs/*
//
// (the first five lines are one).  make check runs it on the files of
// tests/fuzz/log and tests/data/logs, see replay.cc.

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "common/core/unique_fd.h"
#include "common/replay/timeline.h"

using namespace resilience;
using namespace resilience::writelog;

namespace {

void require(bool condition)
{
    if (!condition) {
        std::abort();
    }
}

/// All that a walk has found lies inside the log, one behind the other.
void check_index(const LogFile& log, const LogIndex& index)
{
    std::uint64_t position = log.sector_size();
    for (const Record& record : index.records()) {
        require(record.position == position);
        position += log.sector_size() * (1 + (record.is_discard() ? 0 : record.sectors));
        require(position <= log.size());
        require(record.offset + record.length >= record.offset);
        require(record.offset + record.length <= index.reach() || !record.changes());
    }
    // A superblock alone may be shorter than its sector.
    require(index.end_position() == std::min(position, log.size()) || index.damage());
    require(index.size() == log.super().entries || index.damage());
    for (const Mark& mark : index.marks()) {
        require(mark.entry < index.size() && index[mark.entry].is_mark());
    }
    for (std::uint64_t epoch = 0; epoch < index.epochs(); epoch++) {
        require(index.epoch_begin(epoch) <= index.epoch_end(epoch));
    }
}

void check_content(const std::shared_ptr<const LogFile>& log,
                   const std::shared_ptr<const LogIndex>& index)
{
    const Timeline timeline(log, index);
    for (const Piece& piece : timeline.at(index->size()).pieces()) {
        require(piece.end() <= index->reach());
        require(piece.source != Source::log || piece.position + piece.length <= log->size());
    }
}

void check_points(const LogIndex& index, const std::string& text)
{
    try {
        const State state = resolve_state(index, text);
        require(state.entries <= index.size());
        require(resolve_state(index, to_string(index, state)) == state);
    } catch (const LogError&) {
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const UniqueFd fd(::memfd_create("log", MFD_CLOEXEC));
    require(::write(fd.get(), data, size) == static_cast<ssize_t>(size));
    try {
        const auto log =
            std::make_shared<LogFile>("/proc/self/fd/" + std::to_string(fd.get()));
        const auto index = std::make_shared<LogIndex>(LogIndex::scan(*log));
        check_index(*log, *index);
        if (!index->damage()) {
            const Tail tail = scan_tail(*log, index->end(*log));
            require(tail.position <= tail.end_of_sure && tail.end_of_sure <= tail.end &&
                    tail.end <= log->size());
            check_content(log, index);
        }
        for (const Mark& mark : index->marks()) {
            check_points(*index, "mark:" + mark.name);
        }
        // The end of the input is a state.
        const std::size_t length = std::min<std::size_t>(size, 40);
        check_points(*index, std::string(reinterpret_cast<const char*>(data + size - length),
                                         length));
        check_points(*index, "e0:keep=");
    } catch (const LogError&) {
    }
    return 0;
}
