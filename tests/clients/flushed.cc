// SPDX-License-Identifier: BSD-3-Clause
//
// flushed make IMAGE SIZE
// flushed run URI LEDGER [--seconds=S] [--seed=N]
//
// For servers that are killed: writes and zeroes at random, flushes now and
// then, and knows of every sector what it must hold.  `make` makes an image
// whose sectors say which they are; `run` first reads all of a device and judges
// it by what the LEDGER file says of earlier runs, then goes on until the time is
// over or the server has gone, and writes the ledger.
//
// What a sector may hold after a crash: the content that was last flushed, or
// one that was written later, whole.  What was read after a crash is what is
// there: it may not change back by another crash.
//
// Exit status: 0 all is well; 1 a sector holds what it must not; 2 wrong usage.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <libnbd.h>

namespace {

constexpr std::uint64_t sector_bytes = 512;
constexpr std::uint64_t largest = 400;  // sectors in a request

/// A content: 0 is the source's, an odd number a write, an even one zeroes.
using Version = std::uint64_t;
constexpr bool is_zeroes(Version version) { return version != 0 && version % 2 == 0; }

using Sector = std::array<std::uint64_t, sector_bytes / 8>;

Sector stamp(std::uint64_t number, Version version)
{
    Sector sector{};
    for (std::size_t i = 0; i < sector.size() && !is_zeroes(version); i++) {
        sector[i] = i % 2 == 0 ? number + 1 : version;
    }
    return sector;
}

struct History {
    Version flushed = 0;          ///< the oldest that it may hold
    std::vector<Version> later;   ///< written since; the last one is the newest
    Version newest() const { return later.empty() ? flushed : later.back(); }
};

[[noreturn]] void violation(std::uint64_t sector, const std::string& what, const History& history)
{
    std::string later;
    for (const Version version : history.later) {
        later += fmt::format(" {}", version);
    }
    throw std::logic_error(fmt::format("sector {} (cluster {} of 64K): {}; flushed was {}, written "
                                       "since:{}",
                                       sector, sector / 128, what, history.flushed, later));
}

/// Which of the contents that it may have a sector has.
Version identify(std::uint64_t number, const std::byte* data, const History& history)
{
    const auto is = [&](Version version) {
        const Sector wanted = stamp(number, version);
        return std::memcmp(wanted.data(), data, sector_bytes) == 0;
    };
    // The newest first: two zeroes look the same.
    for (auto each = history.later.rbegin(); each != history.later.rend(); ++each) {
        if (is(*each)) {
            return *each;
        }
    }
    if (is(history.flushed)) {
        return history.flushed;
    }
    Sector found;
    std::memcpy(found.data(), data, sector_bytes);
    violation(number,
              fmt::format("it holds {}/{} .. {}/{}", found[0], found[1], found[62], found[63]),
              history);
}

class Run {
public:
    Run(const std::string& uri, std::string ledger, std::uint64_t seed)
        : ledger_(std::move(ledger)), random_(seed), nbd_(nbd_create(), nbd_close)
    {
        if (!nbd_ || nbd_connect_uri(nbd_.get(), uri.c_str()) == -1) {
            throw std::runtime_error(fmt::format("{}: {}", uri, nbd_get_error()));
        }
        sectors_.resize(static_cast<std::size_t>(nbd_get_size(nbd_.get())) / sector_bytes);
        load();
    }

    /// Judges what is there, which is what there is from now on.
    void judge()
    {
        std::vector<std::byte> data(1 << 20);
        for (std::uint64_t at = 0; at < sectors_.size(); at += data.size() / sector_bytes) {
            const auto count =
                std::min<std::uint64_t>(data.size() / sector_bytes, sectors_.size() - at);
            if (nbd_pread(nbd_.get(), data.data(), count * sector_bytes, at * sector_bytes, 0) ==
                -1) {
                throw std::runtime_error(fmt::format("read: {}", nbd_get_error()));
            }
            for (std::uint64_t i = 0; i < count; i++) {
                History& history = sectors_[at + i];
                history = {identify(at + i, data.data() + i * sector_bytes, history), {}};
            }
        }
    }

    /// Until the time is over or a request fails.
    void work(double seconds)
    {
        const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
        while (std::chrono::steady_clock::now() < end && step()) {
        }
        std::printf("%llu requests, %llu flushes\n", static_cast<unsigned long long>(requests_),
                    static_cast<unsigned long long>(flushes_));
    }

    void save() const
    {
        std::ofstream file(ledger_);
        file << version_ << '\n';
        for (std::size_t i = 0; i < sectors_.size(); i++) {
            const History& history = sectors_[i];
            if (history.newest() != 0) {
                file << i << ' ' << history.flushed << ' ' << history.later.size();
                for (const Version version : history.later) {
                    file << ' ' << version;
                }
                file << '\n';
            }
        }
    }

private:
    void load()
    {
        std::ifstream file(ledger_);
        file >> version_;
        std::size_t at = 0;
        std::size_t count = 0;
        Version flushed = 0;
        while (file >> at >> flushed >> count) {
            sectors_.at(at).flushed = flushed;
            sectors_[at].later.resize(count);
            for (Version& version : sectors_[at].later) {
                file >> version;
            }
        }
    }

    std::uint64_t pick(std::uint64_t below) { return random_() % below; }

    bool step()
    {
        requests_++;
        const std::uint64_t begin = pick(sectors_.size());
        const std::uint64_t count =
            std::min(1 + pick(pick(2) == 0 ? 8 : largest), sectors_.size() - begin);
        const std::uint64_t what = pick(100);
        if (what < 45) {
            return write(begin, count, pick(10) == 0);
        }
        if (what < 55) {
            return zero(begin, count);
        }
        return what < 65 ? flush() : read(begin, count);
    }

    /// Before it is sent: a request that fails may have been carried out.
    void note(std::uint64_t begin, std::uint64_t count)
    {
        for (std::uint64_t i = begin; i < begin + count; i++) {
            sectors_[i].later.push_back(version_);
        }
    }

    bool write(std::uint64_t begin, std::uint64_t count, bool fua)
    {
        version_ += version_ % 2 == 0 ? 1 : 2;
        std::vector<Sector> data;
        for (std::uint64_t i = begin; i < begin + count; i++) {
            data.push_back(stamp(i, version_));
        }
        note(begin, count);
        if (nbd_pwrite(nbd_.get(), data.data(), count * sector_bytes, begin * sector_bytes,
                       fua ? LIBNBD_CMD_FLAG_FUA : 0) == -1) {
            return false;
        }
        for (std::uint64_t i = begin; fua && i < begin + count; i++) {
            sectors_[i] = {version_, {}};
        }
        return true;
    }

    bool zero(std::uint64_t begin, std::uint64_t count)
    {
        version_ += version_ % 2 == 0 ? 2 : 1;
        note(begin, count);
        const std::uint32_t flags = pick(2) == 0 ? LIBNBD_CMD_FLAG_NO_HOLE : 0;
        return nbd_zero(nbd_.get(), count * sector_bytes, begin * sector_bytes, flags) != -1;
    }

    bool flush()
    {
        if (nbd_flush(nbd_.get(), 0) == -1) {
            return false;
        }
        flushes_++;
        for (History& history : sectors_) {
            history = {history.newest(), {}};
        }
        return true;
    }

    bool read(std::uint64_t begin, std::uint64_t count)
    {
        std::vector<std::byte> data(count * sector_bytes);
        if (nbd_pread(nbd_.get(), data.data(), data.size(), begin * sector_bytes, 0) == -1) {
            return false;
        }
        for (std::uint64_t i = 0; i < count; i++) {
            // While the server lives only the newest will do.
            const History now{sectors_[begin + i].newest(), {}};
            identify(begin + i, data.data() + i * sector_bytes, now);
        }
        return true;
    }

    const std::string ledger_;
    std::mt19937_64 random_;
    std::unique_ptr<nbd_handle, void (*)(nbd_handle*)> nbd_;
    std::vector<History> sectors_;
    Version version_ = 0;
    std::uint64_t requests_ = 0;
    std::uint64_t flushes_ = 0;
};

void make_image(const std::string& path, std::uint64_t size)
{
    std::ofstream file(path, std::ios::binary);
    for (std::uint64_t i = 0; i < size / sector_bytes; i++) {
        const Sector sector = stamp(i, 0);
        file.write(reinterpret_cast<const char*>(sector.data()), sector_bytes);
    }
}

}  // namespace

int main(int argc, char** argv)
try {
    std::string path;
    std::string ledger;
    std::uint64_t size = 0;
    std::uint64_t seed = std::random_device()();
    double seconds = 10;
    CLI::App app{"Writes, flushes and crashes: does a device keep what it has promised?"};
    app.require_subcommand(1);
    auto* make = app.add_subcommand("make", "make an image whose sectors say which they are");
    make->add_option("image", path)->required();
    make->add_option("size", size)->required()->transform(CLI::AsSizeValue(false));
    auto* run = app.add_subcommand("run", "judge what is there, and go on");
    run->add_option("uri", path)->required();
    run->add_option("ledger", ledger)->required();
    run->add_option("--seconds", seconds);
    run->add_option("--seed", seed);
    CLI11_PARSE(app, argc, argv);
    if (*make) {
        make_image(path, size);
        return 0;
    }
    std::printf("SEED=%llu\n", static_cast<unsigned long long>(seed));
    Run client(path, ledger, seed);
    client.judge();
    std::printf("judged\n");
    std::fflush(stdout);
    client.work(seconds);
    client.save();
    return 0;
} catch (const std::logic_error& error) {
    std::printf("%s\n", error.what());
    return 1;
} catch (const std::exception& error) {
    std::fprintf(stderr, "flushed: %s\n", error.what());
    return 2;
}
