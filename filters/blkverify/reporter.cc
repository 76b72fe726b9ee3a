// SPDX-License-Identifier: BSD-3-Clause
#include "filters/blkverify/reporter.h"

#include <cstdio>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "common/control/json.h"

namespace resilience::blkverify {

namespace {

std::string in_words(const Mismatch& mismatch)
{
    std::string text = qemu_text(mismatch).substr(std::string("blkverify: ").size());
    if (mismatch.kind == Kind::contents) {
        text += fmt::format(" ({} bytes in {} sectors differ)", mismatch.differing_bytes,
                            mismatch.differing_sectors);
    }
    return text;
}

}  // namespace

void Reporter::log(log::Level level, const std::string& what, const std::string& how,
                   const std::string& number)
{
    const std::lock_guard lock(mutex_);
    const auto verdict = budget_.happened(what, how, std::chrono::steady_clock::now());
    if (verdict.write) {
        log::write(level, fmt::format("{}: {}{}{}", options_.name, number, how, verdict.note()));
    }
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
    log(log::Level::error, fmt::format("{} at {}", to_string(mismatch.op), mismatch.range.begin),
        in_words(mismatch), fmt::format("mismatch {}: ", mismatch.number));
    if (options_.on_mismatch == OnMismatch::exit) {
        exit(qemu_text(mismatch));
    }
}

void Reporter::reference_lost(const std::string& reason)
{
    bus_.emit("BLKVERIFY_REFERENCE_LOST", {{"name", options_.name}, {"reason", reason}});
    const std::string text = fmt::format("the reference is lost: {}", reason);
    log(log::Level::error, "reference", text);
    if (options_.on_mismatch == OnMismatch::exit) {
        exit("blkverify: " + text);
    }
}

void Reporter::reference_back(std::uint64_t untrusted)
{
    bus_.emit("BLKVERIFY_REFERENCE_BACK",
              {{"name", options_.name}, {"untrusted-bytes", untrusted}});
    log(log::Level::notice, "reference",
        fmt::format("the reference is back; {} bytes are not compared until they are written again",
                    untrusted));
}

}  // namespace resilience::blkverify
