// SPDX-License-Identifier: BSD-3-Clause

// Reading a log while a recorder replaces its superblock, and the header of a
// flush: what is caught half written is no damage.

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <span>
#include <string>
#include <thread>

#include <catch2/catch.hpp>

#include "common/core/unique_fd.h"
#include "common/file/file_lock.h"
#include "tests/unit/device_test.h"
#include "tests/unit/log_builder.h"

using namespace log_test;
using Catch::Matchers::Contains;

namespace {

constexpr std::size_t half = 60;  ///< bytes; behind the count, before the checksum
constexpr std::uint64_t flush_at = 512;

Bytes sector(const Bytes& log, std::uint64_t position)
{
    const auto from = log.begin() + static_cast<std::ptrdiff_t>(position);
    return {from, from + 512};
}

/// Has the log locked, as recorders have.
class Recorder {
public:
    explicit Recorder(const std::string& path) : fd_(::open(path.c_str(), O_RDWR | O_CLOEXEC))
    {
        REQUIRE(fd_);
        resilience::lock_file(path, fd_.get(), true);
    }
    ~Recorder() { stop(); }

    void write(std::uint64_t position, std::span<const std::byte> bytes)
    {
        if (::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(position)) !=
            static_cast<ssize_t>(bytes.size())) {
            std::abort();
        }
    }
    /// Writes `one` and `other` in turn, each in two halves.
    void alternate(std::uint64_t position, const Bytes& one, const Bytes& other)
    {
        thread_ = std::thread([this, position, one, other] {
            while (!stopped_) {
                for (const Bytes& bytes : {other, one}) {
                    const std::span all(bytes);
                    write(position, all.first(half));
                    std::this_thread::yield();
                    write(position + half, all.subspan(half));
                    std::this_thread::yield();
                }
                rounds_++;
            }
        });
    }
    /// Whether there is more to come: some rounds were not enough to be caught.
    bool goes_on() const
    {
        return rounds_ < 2000 && std::chrono::steady_clock::now() < deadline_;
    }
    void stop()
    {
        stopped_ = true;
        if (thread_.joinable()) {
            thread_.join();
        }
    }

private:
    const resilience::UniqueFd fd_;
    const std::chrono::steady_clock::time_point deadline_ =
        std::chrono::steady_clock::now() + std::chrono::seconds(10);
    std::atomic<bool> stopped_ = false;
    std::atomic<unsigned> rounds_ = 0;
    std::thread thread_;
};

Bytes log_of(std::uint64_t count)
{
    return LogBuilder().extended().flush().mark("a").count(count).bytes();
}

}  // namespace

TEST_CASE("a superblock that is being replaced is read until it is whole")
{
    const device_test::TemporaryFolder folder("/tmp");
    const std::string path = folder / "disk.log";
    write_file(path, log_of(1));
    Recorder recorder(path);
    recorder.alternate(0, sector(log_of(1), 0), sector(log_of(2), 0));
    while (recorder.goes_on()) {
        const LogFile log(path);
        REQUIRE((log.super().entries == 1 || log.super().entries == 2));
        REQUIRE(log.super().extension);
    }
}

TEST_CASE("a header that is being replaced is read until it is whole")
{
    const device_test::TemporaryFolder folder("/tmp");
    const std::string path = folder / "disk.log";
    const Bytes flush = log_of(2);
    const Bytes pending = LogBuilder().extended().mark("pending").mark("a").bytes();
    write_file(path, flush);
    Recorder recorder(path);
    recorder.alternate(flush_at, sector(flush, flush_at), sector(pending, flush_at));
    const LogFile log(path);
    while (recorder.goes_on()) {
        const LogIndex index = LogIndex::scan(log);
        REQUIRE_FALSE(index.damage());
        REQUIRE(index[0].is_mark() != index[0].is_flush());
    }
}

TEST_CASE("a superblock that stays damaged is damaged, recorder or not")
{
    const device_test::TemporaryFolder folder("/tmp");
    const std::string path = folder / "disk.log";
    Bytes torn = log_of(1);
    const Bytes other = log_of(2);
    std::copy(other.begin(), other.begin() + half, torn.begin());
    write_file(path, torn);
    CHECK_THROWS_WITH(LogFile(path), Contains("does not match its checksum"));
    const Recorder recorder(path);
    CHECK_THROWS_WITH(LogFile(path), Contains("does not match its checksum"));
}
