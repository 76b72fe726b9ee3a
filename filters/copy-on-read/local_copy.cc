// SPDX-License-Identifier: BSD-3-Clause
#include "filters/copy-on-read/local_copy.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include <fmt/format.h>

#include "common/core/compare.h"
#include "common/core/random_id.h"
#include "common/device/device.h"
#include "common/device/open_options.h"
#include "common/file/file_extents.h"
#include "common/file/file_lock.h"

namespace resilience::cor {

namespace {

constexpr std::uint32_t default_cluster = 64 << 10;

template <typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args)
{
    throw SetupError(fmt::format(format, std::forward<Args>(args)...));
}

std::string map_of(const std::string& path) { return path + ".map"; }

bool is_there(const std::string& path)
{
    struct stat st = {};
    if (stat(path.c_str(), &st) == 0) {
        return true;
    }
    if (errno != ENOENT && errno != ENOTDIR) {
        fail("'{}' cannot be used: {}", path, std::strerror(errno));
    }
    return false;
}

/// Opens the copy, which may be new, and locks it against other servers.
UniqueFd open_locked(const std::string& path)
{
    UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644));
    if (!fd) {
        fail("cor-file='{}' cannot be opened or made: {}", path, std::strerror(errno));
    }
    struct stat st = {};
    if (fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode)) {
        fail("cor-file='{}' is not a regular file; the copy is a sparse file, give the path of "
             "one that does not exist yet",
             path);
    }
    try {
        lock_file(path, fd.get(), true);
    } catch (const SetupError& error) {
        fail("cor-file: {}", error.what());
    }
    return fd;
}

/// Whether there is nothing in it, as far as the file system tells.
bool is_empty(int fd, std::uint64_t size)
{
    return size == 0 || (lseek(fd, 0, SEEK_DATA) < 0 && errno == ENXIO);
}

}  // namespace

bool LocalCopy::exists(const Options& options) { return is_there(map_of(options.file)); }

LocalCopy::LocalCopy(const Options& options, std::optional<std::uint64_t> source_size)
    : path_(options.file), patience_(3 * options.timeout)
{
    const bool known = exists(options);
    if (known && !is_there(path_)) {
        fail("cor-file='{0}' is gone, but its map '{1}' is there: bring the file back, or remove "
             "the map to start again",
             path_, map_of(path_));
    }
    lock_ = open_locked(path_);
    if (known) {
        map_file_ = std::make_unique<MapFile>(map_of(path_));
        check(options, source_size);
    } else {
        make(options, source_size);
    }
    OpenOptions how;
    how.lock = false;  // lock_ has it, and would be in the way of itself
    file_ = open_file(path_, how);
    io_ = std::make_unique<FileIo>(file_);
    zero_ = std::make_unique<FileZero>(file_, *io_);
    const mapfile::Header& header = map_file_->header();
    map_ = std::make_unique<ClusterMap>(header.device_size, header.cluster_size);
    map_file_->load(*map_);
    reconcile();
}

void LocalCopy::make(const Options& options, std::optional<std::uint64_t> source_size)
{
    struct stat st = {};
    if (fstat(lock_.get(), &st) != 0) {
        fail("cor-file='{}' cannot be used: {}", path_, std::strerror(errno));
    }
    const auto bytes = static_cast<std::uint64_t>(st.st_size);
    const std::uint64_t size = source_size.value();
    if (!is_empty(lock_.get(), bytes)) {
        fail("cor-file='{0}' is not empty, but there is no map '{1}': it will not be overwritten.  "
             "If it was a copy, bring its map back, or remove the file; a complete copy is served "
             "by nbdkit's file plugin without a map",
             path_, map_of(path_));
    }
    if (bytes != 0 && bytes != size) {
        fail("cor-file='{}' has {} bytes, the source has {}: remove the file", path_, bytes, size);
    }
    if (ftruncate(lock_.get(), static_cast<off_t>(size)) != 0) {
        fail("cor-file='{}' cannot be made {} bytes long: {}", path_, size, std::strerror(errno));
    }
    mapfile::Header header;
    header.cluster_size = options.cluster_size.value_or(default_cluster);
    header.device_size = size;
    header.id = random_id();
    header.source = options.source.substr(0, mapfile::largest_source);
    MapFile::create(map_of(path_), header);
    map_file_ = std::make_unique<MapFile>(map_of(path_));
}

void LocalCopy::check(const Options& options, std::optional<std::uint64_t> source_size)
{
    const mapfile::Header& header = map_file_->header();
    const auto again = "; give each source a cor-file of its own, or remove the file and its map "
                       "to start again without what was written";
    if (source_size && *source_size != header.device_size) {
        fail("cor-file='{}' is a copy of {} bytes, the source has {} bytes{}", path_,
             header.device_size, *source_size, again);
    }
    const std::string source = options.source.substr(0, mapfile::largest_source);
    if (!source.empty() && !header.source.empty() && source != header.source) {
        fail("cor-file='{}' is a copy of '{}', the source is now '{}'{}", path_, header.source,
             source, again);
    }
    if (options.cluster_size && *options.cluster_size != header.cluster_size) {
        fail("cor-cluster-size={}: the map of cor-file='{}' has clusters of {} bytes; leave the "
             "parameter out, it is for new copies",
             *options.cluster_size, path_, header.cluster_size);
    }
    struct stat st = {};
    if (fstat(lock_.get(), &st) != 0 ||
        static_cast<std::uint64_t>(st.st_size) != header.device_size) {
        fail("cor-file='{}' has {} bytes, by its map it has to have {}: the file was changed by "
             "somebody else",
             path_, st.st_size, header.device_size);
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
        if (const int error = find_extents(file_, request)) {
            fail("cor-file='{}' cannot be looked at: {}", path_, std::strerror(error));
        }
        std::uint64_t begin = at;
        for (const Extent& extent : request.extents) {
            const std::uint64_t end = begin + extent.length;
            const Clusters clusters = map_->touched(begin, end);
            for (auto i = clusters.first; !extent.hole && i < clusters.last; i++) {
                const State state = map_->get(i);
                const std::uint64_t from = map_->begin_of(i);
                if (state == State::zero) {
                    map_->set({i, i + 1}, State::data);
                } else if (state == State::absent &&
                           zero_->zero(from, map_->end_of(i + 1) - from, {.may_trim = true}) != 0) {
                    leftovers_ = true;
                }
            }
            begin = end;
        }
        request.length = begin - at;
    }
    leftovers_ = leftovers_ || !file_.seek_data || !file_.punch;
}

mapfile::Header LocalCopy::header() const
{
    const std::lock_guard lock(mutex_);
    return map_file_->header();
}

int LocalCopy::store(Clusters clusters, std::span<const std::byte> data)
{
    const std::uint64_t base = map_->begin_of(clusters.first);
    const auto part = [&](Clusters of) {
        const std::uint64_t begin = map_->begin_of(of.first);
        return data.subspan(begin - base, map_->end_of(of.last) - begin);
    };
    for (std::uint64_t at = clusters.first; at < clusters.last;) {
        const bool zero = is_all_zero(part({at, at + 1}));
        Clusters run{at, at + 1};
        while (run.last < clusters.last && is_all_zero(part({run.last, run.last + 1})) == zero) {
            run.last++;
        }
        if (zero) {
            if (const int error = store_zeroes(run)) {
                return error;
            }
        } else {
            unsynced_ = true;
            if (const int error = io_->write(map_->begin_of(run.first), part(run), false)) {
                leftovers_ = true;
                return error;
            }
            map_->fill(run, State::data);
        }
        at = run.last;
    }
    return 0;
}

int LocalCopy::store_zeroes(Clusters clusters)
{
    for (std::uint64_t at = clusters.first; leftovers_ && at < clusters.last; at++) {
        const std::uint64_t begin = map_->begin_of(at);
        unsynced_ = true;
        if (map_->is_local(at)) {
            continue;
        }
        if (const int error =
                zero_->zero(begin, map_->end_of(at + 1) - begin, {.may_trim = true})) {
            return error;
        }
    }
    map_->fill(clusters, State::zero);
    return 0;
}

RangeLock::Guard LocalCopy::take_turn(std::uint64_t begin, std::uint64_t end, LockMode mode)
{
    return turns_.acquire(begin, end, mode, real_clock().now() + patience_);
}

int LocalCopy::read(std::uint64_t offset, std::span<std::byte> into)
{
    const auto turn = take_turn(offset, offset + into.size(), LockMode::shared);
    return turn ? io_->read(offset, into) : EIO;
}

int LocalCopy::write(std::uint64_t offset, std::span<const std::byte> from)
{
    const std::uint64_t end = offset + from.size();
    const auto turn = take_turn(offset, end, LockMode::exclusive);
    if (!turn) {
        return EIO;
    }
    unsynced_ = true;
    if (const int error = io_->write(offset, from, false)) {
        // Some of it may be there.  What was zero is not sure to be zero now;
        // what was absent stays so, and the source's content with it.
        leftovers_ = true;
        for (Clusters all = map_->touched(offset, end); !all.empty(); all.first++) {
            if (map_->get(all.first) == State::zero) {
                map_->set({all.first, all.first + 1}, State::data);
            }
        }
        return error;
    }
    map_->set(map_->touched(offset, end), State::data);
    return 0;
}

int LocalCopy::zero(std::uint64_t offset, std::uint64_t length, const Flags& flags)
{
    const std::uint64_t end = offset + length;
    const auto turn = take_turn(offset, end, LockMode::exclusive);
    if (!turn) {
        return EIO;
    }
    unsynced_ = true;
    const Clusters whole = map_->covered(offset, end);
    if (const int error = zero_->zero(offset, length, flags)) {
        return error;
    }
    // Zeroes that must keep their room in the file are no hole.
    map_->set(whole, flags.may_trim ? State::zero : State::data);
    return 0;
}

int LocalCopy::sync()
{
    const std::uint64_t ticket = ++wanted_;
    const std::lock_guard lock(mutex_);
    if (done_ < ticket) {
        const std::uint64_t all = wanted_.load();
        result_ = sync_now();
        done_ = all;
    }
    return result_;
}

int LocalCopy::sync_now()
{
    unsynced_ = false;
    // What the pages say now was written before now, so the sync of the data
    // covers it; what is set later is in the next ones.
    std::vector<MapFile::Changed> pages;
    for (std::uint64_t page = 0; map_->dirty() && page < map_->pages(); page++) {
        if (map_->dirty(page)) {
            pages.push_back({page, map_->take(page)});
        }
    }
    int error = io_->sync();
    if (error == 0 && !pages.empty()) {
        error = map_file_->write(pages);
    }
    if (error != 0) {
        unsynced_ = true;
        for (const auto& each : pages) {
            map_->mark_dirty(each.page);
        }
    }
    return error;
}

int LocalCopy::set_fingerprint(std::uint64_t fingerprint)
{
    const std::lock_guard lock(mutex_);
    mapfile::Header header = map_file_->header();
    header.fingerprint = fingerprint;
    return map_file_->write(header);
}

int LocalCopy::set_complete()
{
    if (const int error = sync()) {
        return error;
    }
    const std::lock_guard lock(mutex_);
    mapfile::Header header = map_file_->header();
    header.complete = true;
    return map_file_->write(header);
}

}  // namespace resilience::cor
