// SPDX-License-Identifier: BSD-3-Clause
#include "filters/blkverify/reporter.h"

#include <algorithm>
#include <cstdio>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "common/control/json.h"

namespace resilience::blkverify {

namespace {

std::string in_words(const Mismatch& mismatch)
{
    std::string text = fmt::format("mismatch {}: {}", mismatch.number,
                                   qemu_text(mismatch).substr(std::string("blkverify: ").size()));
    if (mismatch.kind == Kind::contents) {
        text += fmt::format(" ({} bytes in {} sectors differ)", mismatch.differing_bytes,
                            mismatch.differing_sectors);
    }
    return text;
}

}  // namespace

bool LogBudget::take(TimePoint now)
{
    if (left_ == most_) {
        refilled_ = now;
    }
    const auto intervals = (now - refilled_) / interval_;
    left_ = static_cast<unsigned>(std::min<std::int64_t>(most_, left_ + intervals));
    refilled_ += intervals * interval_;
    if (left_ == 0) {
        refused_++;
        return false;
    }
    left_--;
    return true;
}

void Reporter::log(log::Level level, const std::string& text)
{
    const std::lock_guard lock(mutex_);
    if (!budget_.take(std::chrono::steady_clock::now())) {
        return;
    }
    if (const std::uint64_t refused = budget_.take_refused()) {
        log::warning("{}: {} lines were not written here; query-status has exact counts",
                   options_.name, refused);
    }
    log::write(level, fmt::format("{}: {}", options_.name, text));
}

void Reporter::exit(const std::string& text)
{
    // Not released: the others, who have found more, wait here for the end.
    exit_mutex_.lock();
    std::fprintf(stderr, "%s\n", text.c_str());
    std::fflush(stderr);
    if (before_exit_) {
        before_exit_();
    }
    // Not exit(): other threads are at work, and nothing of theirs may be
    // destroyed under them.
    _exit(1);
}

void Reporter::mismatch(const Mismatch& mismatch)
{
    Json data{{"name", options_.name},
              {"number", mismatch.number},
              {"operation", std::string(to_string(mismatch.op))},
              {"kind", std::string(to_string(mismatch.kind))},
              {"offset", mismatch.range.begin},
              {"length", mismatch.range.length()}};
    if (mismatch.kind == Kind::contents) {
        data["position"] = mismatch.position;
        data["differing-bytes"] = mismatch.differing_bytes;
        data["differing-sectors"] = mismatch.differing_sectors;
    } else {
        data["test-result"] = -mismatch.test;
        data["reference-result"] = -mismatch.reference;
    }
    data["message"] = qemu_text(mismatch);
    bus_.emit("BLKVERIFY_MISMATCH", std::move(data), options_.name);
    log(log::Level::error, in_words(mismatch));
    if (options_.on_mismatch == OnMismatch::exit) {
        exit(qemu_text(mismatch));
    }
}

void Reporter::reference_lost(const std::string& reason)
{
    bus_.emit("BLKVERIFY_REFERENCE_LOST", {{"name", options_.name}, {"reason", reason}});
    const std::string text = fmt::format("the reference is lost: {}", reason);
    log(log::Level::error, text);
    if (options_.on_mismatch == OnMismatch::exit) {
        exit("blkverify: " + text);
    }
}

void Reporter::reference_back(std::uint64_t untrusted)
{
    bus_.emit("BLKVERIFY_REFERENCE_BACK",
              {{"name", options_.name}, {"untrusted-bytes", untrusted}});
    log(log::Level::notice,
        fmt::format("the reference is back; {} bytes are not compared until they are written again",
                    untrusted));
}

}  // namespace resilience::blkverify
