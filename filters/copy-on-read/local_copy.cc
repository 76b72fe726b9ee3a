// SPDX-License-Identifier: BSD-3-Clause
#include "filters/copy-on-read/local_copy.h"

#include <cerrno>
#include <cstring>
#include <vector>

#include <fmt/format.h>

#include "common/core/random_id.h"
#include "common/device/device.h"
#include "common/file/file_extents.h"
#include "common/format/little_endian.h"

namespace resilience::cor {

namespace {

constexpr std::uint32_t default_cluster = 64 << 10;

// In bytes from the start of our part of the header.
namespace at {
constexpr std::size_t flags = 0;
constexpr std::size_t fingerprint = 8;
constexpr std::size_t source = 16;  ///< up to the end
}  // namespace at

enum Flag : std::uint32_t { flag_complete = 1, flag_fingerprint = 2 };

template <typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args)
{
    throw SetupError(fmt::format(format, std::forward<Args>(args)...));
}

ClusteredFileWords words()
{
    return {.key = "cor-file",
            .device = "source",
            .lengths = "",
            .lost = "What the copy beside it holds cannot be known any more: restore both from a "
                    "backup",
            .anew = "remove the copy and its map to start again without what was written"};
}

std::string source_of(const Options& options) { return options.source.substr(0, largest_source); }

/// For a new copy.
mapfile::Header new_header(const Options& options, std::optional<std::uint64_t> source_size)
{
    mapfile::Header header;
    header.kind = "copy-on-read";
    header.cluster_size = options.cluster_size.value_or(default_cluster);
    header.device_size = source_size.value_or(0);
    header.id = random_id();
    header.owner = encode_copy_header({false, std::nullopt, source_of(options)});
    return header;
}

}  // namespace

std::vector<std::byte> encode_copy_header(const CopyHeader& header)
{
    std::vector<std::byte> out(at::source + header.source.size());
    put_le(out, at::flags,
           (header.complete ? flag_complete : 0U) | (header.fingerprint ? flag_fingerprint : 0U));
    put_le(out, at::fingerprint, header.fingerprint.value_or(0));
    put_text(std::span(out).subspan(at::source), header.source);
    return out;
}

CopyHeader decode_copy_header(std::span<const std::byte> bytes)
{
    if (bytes.size() < at::source) {
        throw mapfile::Damaged(fmt::format("the header has {} bytes of copy-on-read's, not {}",
                                           bytes.size(), at::source));
    }
    const auto flags = get_le<std::uint32_t>(bytes, at::flags);
    if ((flags & ~(flag_complete | flag_fingerprint)) != 0) {
        throw mapfile::Damaged(
            fmt::format("the header has flags that this version does not know ({:#x})", flags));
    }
    CopyHeader header;
    header.complete = (flags & flag_complete) != 0;
    if ((flags & flag_fingerprint) != 0) {
        header.fingerprint = get_le<std::uint64_t>(bytes, at::fingerprint);
    }
    const auto source = bytes.subspan(at::source);
    header.source.assign(reinterpret_cast<const char*>(source.data()), source.size());
    return header;
}

bool LocalCopy::exists(const Options& options) { return ClusteredFile::exists(options.file); }

LocalCopy::LocalCopy(const Options& options, std::optional<std::uint64_t> source_size)
    : file_(words(), options.file, new_header(options, source_size)),
      patience_(3 * options.timeout)
{
    try {
        header_ = decode_copy_header(file_.header().owner);
    } catch (const mapfile::Damaged& damage) {
        file_.fail_damaged(damage.what());
    }
    check(options, source_size);
    file_.load(file_.header().generation);
    reconcile();
}

void LocalCopy::check(const Options& options, std::optional<std::uint64_t> source_size) const
{
    const auto again = "; give each source a cor-file of its own, or remove the file and its map "
                       "to start again without what was written";
    if (source_size && *source_size != size()) {
        fail("cor-file='{}' is a copy of {} bytes, the source has {} bytes{}", path(), size(),
             *source_size, again);
    }
    const std::string source = source_of(options);
    if (!source.empty() && !header_.source.empty() && source != header_.source) {
        fail("cor-file='{}' is a copy of '{}', the source is now '{}'{}", path(), header_.source,
             source, again);
    }
    if (options.cluster_size && *options.cluster_size != file_.cluster_size()) {
        fail("cor-cluster-size={}: the map of cor-file='{}' has clusters of {} bytes; leave the "
             "parameter out, it is for new copies",
             *options.cluster_size, path(), file_.cluster_size());
    }
}

/// See the top of local_copy.h: what the file has and the map does not know.
void LocalCopy::reconcile()
{
    Request request;
    request.op = Op::extents;
    for (std::uint64_t at = 0; at < size(); at = request.end()) {
        request.offset = at;
        request.length = size() - at;
        if (const int error = find_extents(file_.file(), request)) {
            fail("cor-file='{}' cannot be looked at: {}", path(), std::strerror(error));
        }
        std::uint64_t begin = at;
        for (const Extent& extent : request.extents) {
            const std::uint64_t end = begin + extent.length;
            const Clusters clusters = file_.touched(begin, end);
            for (auto i = clusters.first; !extent.hole && i < clusters.last; i++) {
                const ClusterState state = file_.get(i);
                const std::uint64_t from = file_.begin_of(i);
                if (state == ClusterState::zero) {
                    file_.set({i, i + 1}, ClusterState::data);
                } else if (state == ClusterState::absent &&
                           file_.zero(from, file_.end_of(i + 1) - from, {.may_trim = true}) != 0) {
                    leftovers_ = true;
                }
            }
            begin = end;
        }
        request.length = begin - at;
    }
    leftovers_ = leftovers_ || !file_.file().seek_data || !file_.file().punch;
}

CopyHeader LocalCopy::header() const
{
    const std::lock_guard lock(mutex_);
    return header_;
}

int LocalCopy::store(Clusters clusters, std::span<const std::byte> data)
{
    return file_.by_content(clusters, data, [&](Clusters run, auto bytes, bool zero) {
        if (zero) {
            return store_zeroes(run);
        }
        const int error = file_.write(file_.begin_of(run.first), bytes);
        if (error != 0) {
            leftovers_ = true;
        } else {
            file_.fill(run, ClusterState::data);
        }
        return error;
    });
}

int LocalCopy::store_zeroes(Clusters clusters)
{
    for (std::uint64_t at = clusters.first; leftovers_ && at < clusters.last; at++) {
        const std::uint64_t begin = file_.begin_of(at);
        if (file_.is_present(at)) {
            continue;
        }
        if (const int error =
                file_.zero(begin, file_.end_of(at + 1) - begin, {.may_trim = true})) {
            return error;
        }
    }
    file_.fill(clusters, ClusterState::zero);
    return 0;
}

RangeLock::Guard LocalCopy::take_turn(std::uint64_t begin, std::uint64_t end, LockMode mode)
{
    return turns_.acquire(begin, end, mode, real_clock().now() + patience_);
}

int LocalCopy::read(std::uint64_t offset, std::span<std::byte> into)
{
    const auto turn = take_turn(offset, offset + into.size(), LockMode::shared);
    return turn ? file_.read(offset, into) : EIO;
}

int LocalCopy::write(std::uint64_t offset, std::span<const std::byte> from)
{
    const std::uint64_t end = offset + from.size();
    const auto turn = take_turn(offset, end, LockMode::exclusive);
    if (!turn) {
        return EIO;
    }
    if (const int error = file_.write(offset, from)) {
        // Some of it may be there.  What was zero is not sure to be zero now;
        // what was absent stays so, and the source's content with it.
        leftovers_ = true;
        for (Clusters all = file_.touched(offset, end); !all.empty(); all.first++) {
            if (file_.get(all.first) == ClusterState::zero) {
                file_.set({all.first, all.first + 1}, ClusterState::data);
            }
        }
        return error;
    }
    file_.set(file_.touched(offset, end), ClusterState::data);
    return 0;
}

int LocalCopy::zero(std::uint64_t offset, std::uint64_t length, const Flags& flags)
{
    const std::uint64_t end = offset + length;
    const auto turn = take_turn(offset, end, LockMode::exclusive);
    if (!turn) {
        return EIO;
    }
    const Clusters whole = file_.covered(offset, end);
    if (const int error = file_.zero(offset, length, flags)) {
        return error;
    }
    // Zeroes that must keep their room in the file are no hole.
    file_.set(whole, flags.may_trim ? ClusterState::zero : ClusterState::data);
    return 0;
}

int LocalCopy::write_header(const CopyHeader& next)
{
    const int error =
        file_.write_header(file_.header().generation, encode_copy_header(next));
    if (error == 0) {
        header_ = next;
    }
    return error;
}

int LocalCopy::set_fingerprint(std::uint64_t fingerprint)
{
    const std::lock_guard lock(mutex_);
    CopyHeader header = header_;
    header.fingerprint = fingerprint;
    return write_header(header);
}

int LocalCopy::set_complete()
{
    if (const int error = sync()) {
        return error;
    }
    const std::lock_guard lock(mutex_);
    CopyHeader header = header_;
    header.complete = true;
    return write_header(header);
}

}  // namespace resilience::cor
