// SPDX-License-Identifier: BSD-3-Clause
#include "common/store/page_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "common/store/durable_file.h"

namespace resilience {

namespace {

using namespace mapfile;

[[noreturn]] void fail(const std::string& path, const std::string& what)
{
    throw SetupError(fmt::format("the map '{}' {}", path, what));
}

/// Of the file, the header included.
std::uint64_t pages_of(const Header& header)
{
    return count_pages(count_clusters(header.device_size, header.cluster_size));
}

/// Both slots of all pages, so that a hole in a file is damage and nothing else.
int write_new(int fd, const Header& header)
{
    const Payload first = encode_header(header);
    const Payload nothing{};
    std::array<std::byte, 2 * page_bytes> slots;
    PageBytes bytes;
    for (std::uint64_t page = 0; page < pages_of(header); page++) {
        for (unsigned slot = 0; slot < 2; slot++) {
            encode_slot(page == 0 ? first : nothing, slot + 1, header.id, page, slot, bytes);
            std::ranges::copy(bytes, slots.begin() + slot * page_bytes);
        }
        if (const int error = write_fully(fd, slots, slot_offset(page, 0))) {
            return error;
        }
    }
    return fsync(fd) == 0 ? 0 : errno;
}

}  // namespace

void PageFile::create(const std::string& path, const Header& header)
{
    const std::string temporary = path + ".tmp";
    const UniqueFd fd(open(temporary.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!fd) {
        fail(path, fmt::format("cannot be made ('{}': {})", temporary, std::strerror(errno)));
    }
    int error = write_new(fd.get(), header);
    if (error == 0 && std::rename(temporary.c_str(), path.c_str()) != 0) {
        error = errno;
    }
    if (error != 0) {
        unlink(temporary.c_str());
        fail(path, fmt::format("cannot be written: {}", std::strerror(error)));
    }
    error = sync_folder_of(path);
    if (error != 0) {
        fail(path, fmt::format("cannot be made durable in its folder: {}", std::strerror(error)));
    }
}

PageFile::PageFile(std::string path, std::string lost, std::string anew)
    : path_(std::move(path)), lost_(std::move(lost)), anew_(std::move(anew)),
      fd_(open(path_.c_str(), O_RDWR | O_CLOEXEC))
{
    struct stat st = {};
    if (!fd_ || fstat(fd_.get(), &st) != 0) {
        fail(path_, fmt::format("cannot be opened: {}", std::strerror(errno)));
    }
    if (!S_ISREG(st.st_mode)) {
        fail(path_, "is not a regular file");
    }
    read_header();
    const std::uint64_t wanted = file_bytes(pages_of(header_));
    const auto size = static_cast<std::uint64_t>(st.st_size);
    if (size != wanted) {
        fail_damaged(fmt::format("it has {} bytes, for {} bytes of the device in clusters of {} "
                                 "it has to have {}",
                                 size, header_.device_size, header_.cluster_size, wanted));
    }
}

void PageFile::read_header()
try {
    Page page;
    header_ = decode_header(read_page(0), page);
    slots_.push_back({page.generation, page.slot});
} catch (const OtherVersion& version) {
    fail(path_, fmt::format("is not of this version: {}.  Use it with the version that made it, "
                            "or {}",
                            version.what(), anew_));
} catch (const Damaged& damage) {
    fail_damaged(damage.what());
}

void PageFile::fail_damaged(const std::string& what) const
{
    fail(path_, fmt::format("is damaged: {}.  {}; or {}", what, lost_, anew_));
}

/// Both slots; short if the file ends.
std::vector<std::byte> PageFile::read_page(std::uint64_t page) const
{
    std::vector<std::byte> bytes(2 * page_bytes);
    std::size_t got = 0;
    if (const int error = read_fully(fd_.get(), bytes, slot_offset(page, 0), got)) {
        fail(path_, fmt::format("cannot be read (page {}): {}", page, std::strerror(error)));
    }
    bytes.resize(got);
    return bytes;
}

void PageFile::load(const std::function<void(std::uint64_t page, const Payload&)>& take)
try {
    const std::uint64_t count = pages_of(header_) - 1;
    for (std::uint64_t page = 0; page < count; page++) {
        const std::vector<std::byte> bytes = read_page(page + 1);
        if (bytes.size() < 2 * page_bytes) {
            throw Damaged(fmt::format("it ends inside page {}", page + 1));
        }
        const Page read = decode_page(bytes, header_.id, page + 1);
        take(page, read.payload);
        slots_.push_back({read.generation, read.slot});
    }
} catch (const Damaged& damage) {
    fail_damaged(damage.what());
}

int PageFile::write_page(std::uint64_t page, const Payload& payload)
{
    PageBytes bytes;
    Slot& newest = slots_[page];
    const unsigned slot = 1 - newest.slot;
    newest.generation++;
    encode_slot(payload, newest.generation, header_.id, page, slot, bytes);
    return write_fully(fd_.get(), bytes, slot_offset(page, slot));
}

int PageFile::sync()
{
    return ledger_.run([this] { return fdatasync(fd_.get()) == 0 ? 0 : errno; });
}

int PageFile::write(const std::vector<Changed>& pages)
{
    if (const int error = ledger_.failure()) {
        return error;
    }
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

int PageFile::write_header(const Header& header)
{
    int error = ledger_.failure();
    if (error == 0) {
        error = write_page(0, encode_header(header));
    }
    if (error == 0) {
        error = sync();
    }
    if (error == 0) {
        slots_[0].slot ^= 1;
        header_ = header;
    }
    return error;
}

}  // namespace resilience
