// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/layer_map_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include <fmt/format.h>

#include "common/device/device.h"
#include "common/device/durable_file.h"

namespace resilience::replication {

namespace {

using namespace mapfile;

[[noreturn]] void fail(const std::string& path, const std::string& what)
{
    throw SetupError(fmt::format("the map '{}' {}", path, what));
}

[[noreturn]] void fail_damaged(const std::string& path, const std::string& what)
{
    fail(path, fmt::format("is damaged: {}.  What the disk held at the last checkpoint cannot be "
                           "known any more.  Restore active, hidden and their maps from a backup; "
                           "or remove the four files, and the disk is as the primary left it, "
                           "without a checkpoint, until the primary has made the next one",
                           what));
}

/// Both slots of all pages, so that a hole in a map is damage and nothing else.
int write_empty(int fd, const LayerHeader& header)
{
    const std::uint64_t pages = 1 + count_layer_pages(header.device_size, header.cluster_size);
    const Payload head = encode_layer_header(header);
    const Payload absent{};
    std::array<std::byte, 2 * page_bytes> slots;
    PageBytes bytes;
    for (std::uint64_t page = 0; page < pages; page++) {
        for (unsigned slot = 0; slot < 2; slot++) {
            encode_slot(page == 0 ? head : absent, slot + 1, header.id, page, slot, bytes);
            std::ranges::copy(bytes, slots.begin() + slot * page_bytes);
        }
        if (const int error = write_fully(fd, slots, slot_offset(page, 0))) {
            return error;
        }
    }
    return fsync(fd) == 0 ? 0 : errno;
}

}  // namespace

void LayerMapFile::create(const std::string& path, const LayerHeader& header)
{
    const std::string temporary = path + ".tmp";
    const UniqueFd fd(open(temporary.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!fd) {
        fail(path, fmt::format("cannot be made ('{}': {})", temporary, std::strerror(errno)));
    }
    int error = write_empty(fd.get(), header);
    if (error == 0 && std::rename(temporary.c_str(), path.c_str()) != 0) {
        error = errno;
    }
    if (error == 0) {
        error = sync_folder_of(path);
    }
    if (error != 0) {
        unlink(temporary.c_str());
        fail(path, fmt::format("cannot be written: {}", std::strerror(error)));
    }
}

LayerMapFile::LayerMapFile(std::string path)
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
        header_ = decode_layer_header(read_page(0), page);
        slots_.push_back({page.generation, page.slot});
    } catch (const Damaged& damage) {
        fail_damaged(path_, damage.what());
    }
    const std::uint64_t wanted = layer_map_bytes(header_.device_size, header_.cluster_size);
    if (static_cast<std::uint64_t>(st.st_size) != wanted) {
        fail_damaged(path_, fmt::format("it has {} bytes, for {} bytes of the disk in clusters of "
                                        "{} it has to have {}",
                                        st.st_size, header_.device_size, header_.cluster_size,
                                        wanted));
    }
}

/// Both slots; short if the file ends.
std::vector<std::byte> LayerMapFile::read_page(std::uint64_t page) const
{
    std::vector<std::byte> bytes(2 * page_bytes);
    std::size_t got = 0;
    if (const int error = read_fully(fd_.get(), bytes, slot_offset(page, 0), got)) {
        fail(path_, fmt::format("cannot be read (page {}): {}", page, std::strerror(error)));
    }
    bytes.resize(got);
    return bytes;
}

void LayerMapFile::load(
    const std::function<void(std::uint64_t page, const mapfile::Payload&)>& take)
try {
    const std::uint64_t pages = count_layer_pages(header_.device_size, header_.cluster_size);
    for (std::uint64_t page = 0; page < pages; page++) {
        const std::vector<std::byte> bytes = read_page(page + 1);
        if (bytes.size() < 2 * page_bytes) {
            throw Damaged(fmt::format("it ends inside page {}", page + 1));
        }
        const Page read = decode_page(bytes, header_.id, page + 1);
        take(page, read.payload);
        slots_.push_back({read.generation, read.slot});
    }
} catch (const Damaged& damage) {
    fail_damaged(path_, damage.what());
}

int LayerMapFile::write_page(std::uint64_t page, const Payload& payload)
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

int LayerMapFile::sync()
{
    return ledger_.run([this] { return fdatasync(fd_.get()) == 0 ? 0 : errno; });
}

int LayerMapFile::write(const std::vector<Changed>& pages)
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

int LayerMapFile::write(const LayerHeader& header)
{
    int error = ledger_.failure();
    if (error == 0) {
        error = write_page(0, encode_layer_header(header));
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

}  // namespace resilience::replication
