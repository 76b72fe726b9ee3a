// SPDX-License-Identifier: BSD-3-Clause
#include "filters/copy-on-read/trace.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <xxhash.h>

#include "common/core/log.h"
#include "common/core/unique_fd.h"
#include "common/device/device.h"

namespace resilience::cor {

namespace {

/// More runs than this are no boot any more.
constexpr std::size_t most_runs = 1 << 18;
/// What a file with so many can have at most.
constexpr std::size_t most_bytes = most_runs * 44;

std::uint64_t checksum(const std::string& text) { return XXH3_64bits(text.data(), text.size()); }

std::string header_line(std::uint64_t device_size, std::uint32_t cluster_size)
{
    return fmt::format("nbdkit-resilience trace 1 {} {}", device_size, cluster_size);
}

/// Takes the file apart; returns what is wrong with it, or an empty text.
std::string parse(const std::string& text, const std::string& header, std::uint64_t clusters,
                  std::vector<Clusters>& order)
{
    const auto last = text.rfind("end ");
    if (last == std::string::npos || last == 0 || text[last - 1] != '\n') {
        return "its last line is missing";
    }
    if (text.substr(last) != fmt::format("end {:016x}\n", checksum(text.substr(0, last)))) {
        return "its checksum is wrong";
    }
    std::istringstream lines(text.substr(0, last));
    std::string line;
    std::getline(lines, line);
    if (line != header) {
        return fmt::format("it is for another image ('{}', expected is '{}')", line, header);
    }
    std::uint64_t first = 0;
    std::uint64_t count = 0;
    while (lines >> first >> count) {
        if (count == 0 || first >= clusters || count > clusters - first ||
            order.size() >= most_runs) {
            return "it names clusters that do not exist";
        }
        order.push_back({first, first + count});
    }
    return lines.eof() ? "" : "it has a line that is none";
}

}  // namespace

Trace::Trace(std::string path, std::uint64_t device_size, std::uint32_t cluster_size)
    : path_(std::move(path)),
      device_size_(device_size),
      cluster_size_(cluster_size),
      used_((mapfile::count_clusters(device_size, cluster_size) + 63) / 64)
{
    load();
    const UniqueFd fd(open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644));
    if (!fd) {
        throw SetupError(
            fmt::format("cor-trace='{}' cannot be written: {}", path_, std::strerror(errno)));
    }
}

void Trace::load()
{
    std::ifstream file(path_, std::ios::binary);
    std::string text(most_bytes, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
    if (text.empty()) {
        return;
    }
    const std::uint64_t clusters = mapfile::count_clusters(device_size_, cluster_size_);
    std::vector<Clusters> order;
    const std::string wrong =
        parse(text, header_line(device_size_, cluster_size_), clusters, order);
    if (!wrong.empty()) {
        log::warning("copy-on-read: cor-trace='{}' is ignored and will be recorded anew: {}", path_,
                   wrong);
        return;
    }
    recorded_ = order;
    for (const Clusters& range : order) {
        use(range);
    }
    changed_ = false;
}

void Trace::use(Clusters range)
{
    for (std::uint64_t i = range.first; i < range.last; i++) {
        std::atomic<std::uint64_t>& word = used_[i / 64];
        const std::uint64_t bit = std::uint64_t{1} << i % 64;
        if ((word.load(std::memory_order_relaxed) & bit) == 0 && (word.fetch_or(bit) & bit) == 0) {
            remember({i, i + 1});
        }
    }
}

void Trace::remember(Clusters range)
{
    const std::lock_guard lock(mutex_);
    if (!order_.empty() && order_.back().last == range.first) {
        order_.back().last = range.last;
    } else if (order_.size() < most_runs) {
        order_.push_back(range);
    } else {
        return;
    }
    changed_ = true;
}

void Trace::save()
{
    std::string text = header_line(device_size_, cluster_size_) + "\n";
    {
        const std::lock_guard lock(mutex_);
        if (!changed_) {
            return;
        }
        changed_ = false;
        for (const Clusters& range : order_) {
            text += fmt::format("{} {}\n", range.first, range.count());
        }
    }
    text += fmt::format("end {:016x}\n", checksum(text));
    const std::string temporary = path_ + ".tmp";
    std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
    file << text;
    file.close();
    if (!file || rename(temporary.c_str(), path_.c_str()) != 0) {
        const int error = errno;
        unlink(temporary.c_str());
        const std::lock_guard lock(mutex_);
        changed_ = true;
        if (!std::exchange(reported_, true)) {
            log::warning("copy-on-read: cor-trace='{}' cannot be written: {}", path_,
                       std::strerror(error));
        }
    }
}

}  // namespace resilience::cor
