// SPDX-License-Identifier: BSD-3-Clause
#include "filters/copy-on-read/map_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>

#include "common/device/device.h"

namespace resilience::cor {

namespace {

using namespace mapfile;

[[noreturn]] void fail(const std::string& path, const std::string& what)
{
    throw SetupError(fmt::format("the map '{}' {}", path, what));
}

[[noreturn]] void fail_damaged(const std::string& path, const std::string& what)
{
    fail(path, fmt::format("is damaged: {}.  What the copy beside it holds cannot be known any "
                           "more: restore both from a backup, or remove both to start again "
                           "without what was written",
                           what));
}

int write_fully(int fd, std::span<const std::byte> from, std::uint64_t offset)
{
    while (!from.empty()) {
        const ssize_t n = pwrite(fd, from.data(), from.size(), static_cast<off_t>(offset));
        if (n <= 0) {
            if (n < 0 && errno == EINTR) {
                continue;
            }
            return n < 0 ? errno : EIO;
        }
        from = from.subspan(static_cast<std::size_t>(n));
        offset += static_cast<std::uint64_t>(n);
    }
    return 0;
}

/// Both slots of all pages, so that a hole in a map is damage and nothing else.
int write_empty(int fd, const Header& header)
{
    const std::uint64_t pages =
        count_pages(count_clusters(header.device_size, header.cluster_size));
    const Payload absent{};
    PageBytes bytes;
    for (std::uint64_t page = 0; page < pages; page++) {
        const Payload payload = page == 0 ? encode_header(header) : absent;
        for (unsigned slot = 0; slot < 2; slot++) {
            encode_slot(payload, slot + 1, header.id, page, slot, bytes);
            if (const int error = write_fully(fd, bytes, slot_offset(page, slot))) {
                return error;
            }
        }
    }
    return fsync(fd) == 0 ? 0 : errno;
}

void sync_folder(const std::string& path)
{
    const auto folder = std::filesystem::path(path).parent_path();
    const UniqueFd fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd || fsync(fd.get()) != 0) {
        fail(path, fmt::format("cannot be made durable in its folder: {}", std::strerror(errno)));
    }
}

}  // namespace

void MapFile::create(const std::string& path, const Header& header)
{
    const std::string temporary = path + ".tmp";
    const UniqueFd fd(open(temporary.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!fd) {
        fail(path, fmt::format("cannot be made ('{}': {})", temporary, std::strerror(errno)));
    }
    int error = write_empty(fd.get(), header);
    if (error == 0 && rename(temporary.c_str(), path.c_str()) != 0) {
        error = errno;
    }
    if (error != 0) {
        unlink(temporary.c_str());
        fail(path, fmt::format("cannot be written: {}", std::strerror(error)));
    }
    sync_folder(path);
}

MapFile::MapFile(std::string path)
    : path_(std::move(path)), fd_(open(path_.c_str(), O_RDWR | O_CLOEXEC))
{
    struct stat st = {};
    if (!fd_ || fstat(fd_.get(), &st) != 0) {
        fail(path_, fmt::format("cannot be opened: {}", std::strerror(errno)));
    }
    if (!S_ISREG(st.st_mode)) {
        fail(path_, "is not a regular file");
    }
    try {
        Page page;
        header_ = decode_header(read_page(0), page);
        slots_.push_back({page.generation, page.slot});
    } catch (const Damaged& damage) {
        fail_damaged(path_, damage.what());
    }
    const std::uint64_t pages =
        count_pages(count_clusters(header_.device_size, header_.cluster_size));
    const auto bytes = static_cast<std::uint64_t>(st.st_size);
    if (bytes != file_bytes(pages)) {
        fail_damaged(path_, fmt::format("it has {} bytes, for {} bytes of the device in clusters "
                                        "of {} it has to have {}",
                                        bytes, header_.device_size, header_.cluster_size,
                                        file_bytes(pages)));
    }
}

/// Both slots; short if the file ends.
std::vector<std::byte> MapFile::read_page(std::uint64_t page) const
{
    std::vector<std::byte> bytes(2 * page_bytes);
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t n = pread(fd_.get(), bytes.data() + done, bytes.size() - done,
                                static_cast<off_t>(slot_offset(page, 0) + done));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            fail(path_, fmt::format("cannot be read (page {}): {}", page, std::strerror(errno)));
        }
        if (n == 0) {
            bytes.resize(done);
            break;
        }
        done += static_cast<std::size_t>(n);
    }
    return bytes;
}

void MapFile::load(ClusterMap& map)
try {
    for (std::uint64_t page = 0; page < map.pages(); page++) {
        const std::vector<std::byte> bytes = read_page(page + 1);
        if (bytes.size() < 2 * page_bytes) {
            throw Damaged(fmt::format("it ends inside page {}", page + 1));
        }
        const Page read = decode_page(bytes, header_.id, page + 1);
        map.load(page, read.payload);
        slots_.push_back({read.generation, read.slot});
    }
} catch (const Damaged& damage) {
    fail_damaged(path_, damage.what());
}

int MapFile::write_page(std::uint64_t page, const Payload& payload)
{
    PageBytes bytes;
    Slot& newest = slots_[page];
    // Never over the newest one: if this write is torn, that is what is left.
    // Not even after a failure, so the slot changes only when all is well.
    const unsigned slot = 1 - newest.slot;
    newest.generation++;
    encode_slot(payload, newest.generation, header_.id, page, slot, bytes);
    return write_fully(fd_.get(), bytes, slot_offset(page, slot));
}

int MapFile::sync()
{
    return ledger_.run([this] { return fdatasync(fd_.get()) == 0 ? 0 : errno; });
}

int MapFile::write(const std::vector<Changed>& pages)
{
    for (const Changed& each : pages) {
        if (const int error = write_page(each.page + 1, each.payload)) {
            return error;
        }
    }
    if (const int error = sync()) {
        return error;
    }
    for (const Changed& each : pages) {
        slots_[each.page + 1].slot ^= 1;
    }
    return 0;
}

int MapFile::write(const Header& header)
{
    int error = write_page(0, encode_header(header));
    if (error == 0) {
        error = sync();
    }
    if (error == 0) {
        slots_[0].slot ^= 1;
        header_ = header;
    }
    return error;
}

}  // namespace resilience::cor
