// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdcrash/log_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "common/core/compare.h"
#include "tools/nbdcrash/tool_error.h"

namespace resilience::nbdcrash {

namespace {

using namespace writelog;

constexpr std::size_t piece_size = 1 << 20;
/// In units of this, zeroes become holes.
constexpr std::size_t hole_size = 4096;

}  // namespace

LogWriter::LogWriter(std::string path, const LogFile& source, const Superblock& super,
                     bool replace)
    : path_(std::move(path)), source_(source), super_(super), position_(super.sector_size),
      buffer_(piece_size)
{
    super_.entries = 0;
    struct stat here = {};
    struct stat there = {};
    if (::stat(path_.c_str(), &there) == 0) {
        if (::fstat(source.fd(), &here) == 0 && here.st_dev == there.st_dev &&
            here.st_ino == there.st_ino) {
            throw ToolError(fmt::format("{}: is the log that is read", path_));
        }
        if (!S_ISREG(there.st_mode)) {
            throw ToolError(fmt::format("{}: exists, and is no regular file", path_));
        }
        if (!replace) {
            throw ToolError(fmt::format("{}: exists; say --force to replace it", path_));
        }
    }
    temporary_ = path_ + ".XXXXXX";
    fd_ = UniqueFd(::mkostemp(temporary_.data(), O_CLOEXEC));
    if (!fd_) {
        temporary_.clear();
        fail("cannot be made");
    }
    constexpr mode_t mode = 0666;
    const mode_t mask = ::umask(0);
    ::umask(mask);
    ::fchmod(fd_.get(), mode & ~mask);
}

LogWriter::~LogWriter()
{
    if (!temporary_.empty()) {
        ::unlink(temporary_.c_str());
    }
}

void LogWriter::add(const Entry& entry, std::uint64_t body)
{
    if (entry.is_mark() && entry.mark.size() > largest_mark) {
        throw ToolError(fmt::format("{}: the mark '{:.20}...' has {} bytes; in this log a mark has "
                                    "{} at most",
                                    path_, entry.mark, entry.mark.size(), largest_mark));
    }
    HeaderBytes header;
    encode(entry, header);
    write(position_, std::span(header).first(
                         std::min<std::size_t>(header.size(), super_.sector_size)));
    position_ += super_.sector_size;
    if (entry.has_body()) {
        copy(body, entry.sectors * super_.sector_size);
    }
    super_.entries++;
}

void LogWriter::copy(std::uint64_t from, std::uint64_t length)
{
    while (length > 0) {
        const auto piece = std::span(buffer_).first(std::min<std::uint64_t>(length, piece_size));
        source_.read(from, piece);
        for (std::size_t at = 0; at < piece.size(); at += hole_size) {
            const auto block = piece.subspan(at, std::min(hole_size, piece.size() - at));
            if (!is_all_zero(block)) {
                write(position_ + at, block);
            }
        }
        from += piece.size();
        position_ += piece.size();
        length -= piece.size();
    }
}

void LogWriter::finish()
{
    HeaderBytes header;
    encode(super_, header);
    write(0, std::span(header).first(std::min<std::size_t>(header.size(), super_.sector_size)));
    if (::ftruncate(fd_.get(), static_cast<off_t>(position_)) == -1 || ::fsync(fd_.get()) == -1) {
        fail("cannot be completed");
    }
    if (std::rename(temporary_.c_str(), path_.c_str()) == -1) {
        fail("cannot be given its name");
    }
    temporary_.clear();
}

void LogWriter::write(std::uint64_t position, std::span<const std::byte> from)
{
    while (!from.empty()) {
        const ssize_t n =
            ::pwrite(fd_.get(), from.data(), from.size(), static_cast<off_t>(position));
        if (n == -1 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            fail("cannot be written");
        }
        from = from.subspan(static_cast<std::size_t>(n));
        position += static_cast<std::uint64_t>(n);
    }
}

void LogWriter::fail(const char* doing) const
{
    throw ToolError(fmt::format("{}: {}: {}", path_, doing, std::strerror(errno)));
}

}  // namespace resilience::nbdcrash
