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

#include "common/device/device.h"
#include "common/store/durable_file.h"

namespace resilience {

namespace {

using namespace mapfile;

[[noreturn]] void fail(const std::string& path, const std::string& what)
{
    throw SetupError(fmt::format("the map '{}' {}", path, what));
}

/// Both slots of all pages, so that a hole in a file is damage and nothing else.
int write_new(int fd, std::uint64_t id, std::uint64_t pages, const Payload& header)
{
    const Payload nothing{};
    std::array<std::byte, 2 * page_bytes> slots;
    PageBytes bytes;
    for (std::uint64_t page = 0; page < pages; page++) {
        for (unsigned slot = 0; slot < 2; slot++) {
            encode_slot(page == 0 ? header : nothing, slot + 1, id, page, slot, bytes);
            std::ranges::copy(bytes, slots.begin() + slot * page_bytes);
        }
        if (const int error = write_fully(fd, slots, slot_offset(page, 0))) {
            return error;
        }
    }
    return fsync(fd) == 0 ? 0 : errno;
}

}  // namespace

void PageFile::create(const std::string& path, std::uint64_t id, std::uint64_t pages,
                      const Payload& header)
{
    const std::string temporary = path + ".tmp";
    const UniqueFd fd(open(temporary.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!fd) {
        fail(path, fmt::format("cannot be made ('{}': {})", temporary, std::strerror(errno)));
    }
    int error = write_new(fd.get(), id, pages, header);
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

PageFile::PageFile(std::string path, std::string advice)
    : path_(std::move(path)), advice_(std::move(advice)),
      fd_(open(path_.c_str(), O_RDWR | O_CLOEXEC))
{
    struct stat st = {};
    if (!fd_ || fstat(fd_.get(), &st) != 0) {
        fail(path_, fmt::format("cannot be opened: {}", std::strerror(errno)));
    }
    if (!S_ISREG(st.st_mode)) {
        fail(path_, "is not a regular file");
    }
    size_ = static_cast<std::uint64_t>(st.st_size);
}

void PageFile::fail_damaged(const std::string& what) const
{
    fail(path_, fmt::format("is damaged: {}.  {}", what, advice_));
}

void PageFile::read_header(
    const std::function<std::uint64_t(std::span<const std::byte>, Page&)>& decode)
try {
    Page page;
    id_ = decode(read_page(0), page);
    slots_.push_back({page.generation, page.slot});
} catch (const Damaged& damage) {
    fail_damaged(damage.what());
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

void PageFile::load(std::uint64_t count,
                    const std::function<void(std::uint64_t page, const Payload&)>& take)
try {
    for (std::uint64_t page = 0; page < count; page++) {
        const std::vector<std::byte> bytes = read_page(page + 1);
        if (bytes.size() < 2 * page_bytes) {
            throw Damaged(fmt::format("it ends inside page {}", page + 1));
        }
        const Page read = decode_page(bytes, id_, page + 1);
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
    encode_slot(payload, newest.generation, id_, page, slot, bytes);
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

int PageFile::write_header(const Payload& header)
{
    int error = ledger_.failure();
    if (error == 0) {
        error = write_page(0, header);
    }
    if (error == 0) {
        error = sync();
    }
    if (error == 0) {
        slots_[0].slot ^= 1;
    }
    return error;
}

}  // namespace resilience
