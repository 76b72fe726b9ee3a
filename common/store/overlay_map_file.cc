// SPDX-License-Identifier: BSD-3-Clause
#include "common/store/overlay_map_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <limits>
#include <span>
#include <stdexcept>

#include <fmt/format.h>

#include "common/core/unique_fd.h"
#include "common/device/device.h"
#include "common/format/dm_log_writes.h"
#include "common/format/little_endian.h"
#include "common/store/durable_file.h"

namespace resilience {
namespace {

constexpr std::uint64_t magic = 0x0070616d6c72766f;  // "ovrlmap\0" in the order of the disk
constexpr std::uint32_t version = 1;

// The header: magic 0, version 8, reserved 12, device size 16, identity 24,
// number of runs 32, hash of all but itself 40.
constexpr std::size_t header_size = 48;
constexpr std::size_t hash_at = 40;
// A run: begin 0, end 8, layer 16 (1 data, 2 zero), reserved 20.
constexpr std::size_t run_size = 24;
constexpr std::uint32_t data_code = 1;
constexpr std::uint32_t zero_code = 2;
constexpr std::uint64_t largest_file = std::uint64_t{1} << 32;

std::uint64_t hash_of(std::span<const std::byte> bytes)
{
    writelog::BodyHash hash;
    hash.add(bytes.first(hash_at));
    hash.add(bytes.subspan(header_size));
    return hash.value();
}

LayerRange decode_run(std::span<const std::byte> bytes)
{
    LayerRange run;
    run.range = {get_le<std::uint64_t>(bytes, 0), get_le<std::uint64_t>(bytes, 8)};
    const auto code = get_le<std::uint32_t>(bytes, 16);
    if (code != data_code && code != zero_code) {
        throw std::runtime_error(fmt::format("layer {} is unknown", code));
    }
    run.layer = code == data_code ? Layer::data : Layer::zero;
    return run;
}

std::vector<std::byte> read_file(const std::string& path, int fd)
{
    struct stat status = {};
    if (::fstat(fd, &status) == -1) {
        throw SetupError(fmt::format("{}: {}", path, std::strerror(errno)));
    }
    const auto size = static_cast<std::uint64_t>(status.st_size);
    if (!S_ISREG(status.st_mode) || size > largest_file) {
        throw SetupError(fmt::format("{}: this is no map of an overlay", path));
    }
    std::vector<std::byte> bytes(size);
    std::size_t got = 0;
    const int error = read_fully(fd, bytes, 0, got);
    if (error != 0 || got < bytes.size()) {
        throw SetupError(fmt::format("{}: cannot be read: {}", path,
                                     error == 0 ? "it became shorter" : std::strerror(error)));
    }
    return bytes;
}

}  // namespace

std::vector<std::byte> encode(const OverlayMapFile& file)
{
    const auto runs = file.map.layers();
    std::vector<std::byte> bytes(header_size + runs.size() * run_size);
    const std::span all(bytes);
    put_le(all, 0, magic);
    put_le(all, 8, version);
    put_le(all, 16, file.device_size);
    put_le(all, 24, file.identity);
    put_le(all, 32, std::uint64_t{runs.size()});
    std::size_t at = header_size;
    for (const auto& [range, layer] : runs) {
        put_le(all, at, range.begin);
        put_le(all, at + 8, range.end);
        put_le(all, at + 16, layer == Layer::data ? data_code : zero_code);
        at += run_size;
    }
    put_le(all, hash_at, hash_of(bytes));
    return bytes;
}

OverlayMapFile decode_overlay_map(std::span<const std::byte> bytes)
{
    if (bytes.size() < header_size || get_le<std::uint64_t>(bytes, 0) != magic) {
        throw std::runtime_error("this is no map of an overlay");
    }
    if (const auto found = get_le<std::uint32_t>(bytes, 8); found != version) {
        throw std::runtime_error(fmt::format("version {} is unknown, only {} is known", found,
                                             version));
    }
    const auto runs = get_le<std::uint64_t>(bytes, 32);
    const std::size_t body = bytes.size() - header_size;
    if (body % run_size != 0 || runs != body / run_size) {
        throw std::runtime_error(fmt::format("{} runs are counted, and there are {} bytes of them",
                                             runs, body));
    }
    if (get_le<std::uint64_t>(bytes, hash_at) != hash_of(bytes)) {
        throw std::runtime_error("the checksum is wrong");
    }
    OverlayMapFile file;
    file.device_size = get_le<std::uint64_t>(bytes, 16);
    file.identity = get_le<std::uint64_t>(bytes, 24);
    std::uint64_t before = 0;
    for (std::size_t at = header_size; at < bytes.size(); at += run_size) {
        const LayerRange run = decode_run(bytes.subspan(at, run_size));
        if (run.range.empty() || run.range.begin < before || run.range.end > file.device_size) {
            throw std::runtime_error(fmt::format("the run at byte {} is impossible", at));
        }
        before = run.range.end;
        file.map.put(run.range, run.layer);
    }
    return file;
}

std::optional<OverlayMapFile> read_overlay_map(const std::string& path)
{
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!fd) {
        if (errno == ENOENT) {
            return std::nullopt;
        }
        throw SetupError(fmt::format("{}: cannot be opened: {}", path, std::strerror(errno)));
    }
    try {
        return decode_overlay_map(read_file(path, fd.get()));
    } catch (const SetupError&) {
        throw;
    } catch (const std::runtime_error& error) {
        throw SetupError(fmt::format("{}: {}", path, error.what()));
    }
}

int write_overlay_map(const std::string& path, const OverlayMapFile& file)
{
    return replace_file(path, encode(file));  // its lock is the overlay's own
}

}  // namespace resilience
