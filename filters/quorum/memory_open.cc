// SPDX-License-Identifier: BSD-3-Clause
#include "filters/quorum/memory_open.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "common/core/log.h"
#include "common/core/unique_fd.h"
#include "common/store/durable_file.h"

namespace resilience::quorum {

using memoryfile::Copy;
using memoryfile::Layout;

namespace {

constexpr std::string_view key = "quorum-memory";
constexpr std::string_view way_out =
    "bring the right file back, or remove this one if other copies are sound; without any "
    "copy, quorum-force-start=NAME says whose content is the truth";

[[noreturn]] void fail(const ChildSpec& spec, const std::string& what)
{
    throw SetupError(fmt::format("{}: '{}' {}", key, spec.text, what));
}

/// A file there would be gone with the machine's next start.
bool does_not_last(const std::string& path)
{
    struct statfs fs = {};
    return path.starts_with("/dev/") || path.starts_with("/run/") ||
           statfs(path.c_str(), &fs) != 0 || fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC;
}

bool can_be_beside(const std::string& path)
{
    struct stat st = {};
    const std::string folder = path.substr(0, path.rfind('/') + 1);
    if (folder.empty() || does_not_last(folder)) {
        return false;
    }
    // One that is away now may be back with the next start, and its copy too.
    return stat(path.c_str(), &st) == 0 ? S_ISREG(st.st_mode) : errno == ENOENT;
}

/// How many copies must have an update.  Every `threshold` of the children shall have
/// one of these among them, and that shall hold with so many copies lost as children may
/// be lost.
std::size_t needed_beside(std::size_t copies, std::size_t children, std::size_t threshold)
{
    const std::size_t spare = children - std::min(threshold, children);
    return copies >= 2 * spare + 1 ? spare + 1 : copies / 2 + 1;
}

void make_file(const ChildSpec& spec, std::uint64_t bytes)
{
    const UniqueFd fd(
        ::open(spec.target.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600));
    if (!fd || ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0 || fsync(fd.get()) != 0) {
        fail(spec, fmt::format("cannot be made, with {} bytes: {}", bytes, std::strerror(errno)));
    }
    if (const int error = sync_folder_of(spec.target)) {
        fail(spec, fmt::format("cannot be made durable in its folder: {}", std::strerror(error)));
    }
}

/// Whether there is something to open; what cannot be a memory is refused.
bool is_there(const ChildSpec& spec)
{
    struct stat st = {};
    if (spec.kind != SpecKind::path) {
        return true;
    }
    if (stat(spec.target.c_str(), &st) != 0) {
        const int error = errno;
        if (error == ENOENT && lstat(spec.target.c_str(), &st) == 0) {
            fail(spec, "is a symbolic link to nowhere: remove it, or make what it points to");
        }
        if (error != ENOENT) {
            fail(spec, fmt::format("cannot be looked at: {}", std::strerror(error)));
        }
        return false;
    }
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
        fail(spec, "is no regular file and no block device: give the path of a small file, or of "
                   "one that does not exist yet");
    }
    return !S_ISREG(st.st_mode) || st.st_size != 0;
}

}  // namespace

std::string member_spec(const ChildSpec& spec)
{
    switch (spec.kind) {
    case SpecKind::path: return std::filesystem::path(spec.target).lexically_normal().string();
    case SpecKind::uri: return spec.target;
    case SpecKind::command: return fmt::format("[ {} ]", spec.target);
    }
    return spec.target;
}

MemoryPlaces places_beside(const std::vector<std::string>& paths, std::size_t threshold)
{
    MemoryPlaces places;
    places.automatic = true;
    for (const std::string& path : paths) {
        if (!path.empty() && can_be_beside(path)) {
            ChildSpec& spec = places.specs.emplace_back();
            spec.target = spec.text = path + ".quorum";
        }
    }
    const std::size_t copies = places.specs.size();
    const std::size_t spare = paths.size() - std::min(threshold, paths.size());
    places.needed = needed_beside(copies, paths.size(), threshold);
    if (copies == 0) {
        places.note =
            "there is no place for a memory (no child is a file on a file system that lasts): "
            "after a restart nobody knows which children are current, and what was under way; "
            "quorum-memory=PATH names a place, quorum-memory=none is quiet";
    } else if (copies < 2 * spare + 1) {
        places.note = fmt::format(
            "the memory is beside {} of {} children: after the loss of {} of them it may be that "
            "nothing can be written, or be known after a restart; quorum-memory=PATH names another "
            "place",
            copies, paths.size(), copies - places.needed + 1);
    }
    return places;
}

MemoryPlaces places_named(std::vector<ChildSpec> specs)
{
    MemoryPlaces places;
    places.needed = specs.size() / 2 + 1;
    places.specs = std::move(specs);
    return places;
}

FoundMemory::FoundMemory(MemoryPlaces places, std::chrono::milliseconds timeout,
                         bool believe_less)
    : places_(std::move(places)), timeout_(timeout)
{
    for (const ChildSpec& spec : places_.specs) {
        Opened& place = opened_.emplace_back();
        place.spec = spec;
        if (!is_there(spec)) {
            place.missing = "it does not exist";
            continue;
        }
        open(place, false);
        if (place.device) {
            read(place);
        }
    }
    choose(believe_less);
}

void FoundMemory::open(Opened& place, bool make) const
{
    OpenOptions how;
    how.timeout = timeout_;
    try {
        place.device = open_child(place.spec, how);
    } catch (const SetupError& error) {
        // A file that is there and cannot be opened is in use, or not ours; a server may be
        // away like any other.
        if (place.spec.kind == SpecKind::path || make) {
            throw SetupError(fmt::format("{}: {}", key, error.what()));
        }
        place.missing = error.what();
    }
}

void FoundMemory::read(Opened& place) const
try {
    Device& device = *place.device;
    const bool is_file = place.spec.kind == SpecKind::path;
    if (!is_file) {
        device.start();  // the link; it is opened anew for the server
    }
    const auto bytes = [&](std::uint64_t offset, std::span<std::byte> into) {
        Request request;
        request.offset = offset;
        request.length = into.size();
        request.into = into;
        return device.execute(request);
    };
    place.copy = memoryfile::read_copy(bytes, device.size());
    if (!is_file) {
        device.stop(timeout_);
        place.device = nullptr;
    }
} catch (const memoryfile::Damaged& damage) {
    fail(place.spec, fmt::format("is damaged, or no memory of a quorum: {}; {}", damage.what(),
                                 way_out));
} catch (const memoryfile::OtherVersion& other) {
    fail(place.spec, fmt::format("is not of this version: {}", other.what()));
} catch (const std::system_error& error) {
    fail(place.spec, fmt::format("cannot be read: {}; {}", error.code().message(), way_out));
}

void FoundMemory::choose(bool believe_less)
{
    const Opened* newest = nullptr;
    std::size_t readable = 0;
    for (const Opened& place : opened_) {
        if (!place.copy) {
            continue;
        }
        readable++;
        const memoryfile::Content& content = place.copy->content;
        if (newest == nullptr) {
            newest = &place;
            continue;
        }
        const memoryfile::Content& other = newest->copy->content;
        if (other.root.set != content.root.set) {
            throw SetupError(fmt::format(
                "{}: '{}' is the memory of set {}, and '{}' that of set {}: these children do not "
                "belong together, or a copy was left over; remove the wrong one",
                key, newest->spec.text, memoryfile::to_string(other.root.set), place.spec.text,
                memoryfile::to_string(content.root.set)));
        }
        if (content.weight > other.weight) {
            newest = &place;
        }
    }
    if (newest == nullptr) {
        // Not there is not the same as empty.
        const auto silent = std::ranges::find_if(opened_, [](const Opened& place) {
            return place.spec.kind != SpecKind::path && !place.missing.empty();
        });
        if (silent != opened_.end() && !believe_less) {
            throw SetupError(fmt::format("{}: '{}' cannot be reached, so it is not known whether "
                                         "there is a memory: {}",
                                         key, silent->spec.text, silent->missing));
        }
        return;
    }
    const memoryfile::Root& root = newest->copy->content.root;
    const std::size_t sure =
        root.copies >= root.needed ? root.copies - root.needed + 1 : std::size_t{1};
    if (readable < sure && !believe_less) {
        std::string lines;
        for (const Opened& place : opened_) {
            if (!place.copy) {
                lines += fmt::format("; '{}': {}", place.spec.text,
                                     place.missing.empty() ? "there is nothing in it"
                                                           : place.missing);
            }
        }
        throw SetupError(fmt::format(
            "{}: {} of {} copies are there, and {} are needed to know what is newest{}.  Bring the "
            "others back, or give quorum-force-start=NAME, and the content of that one child is "
            "the truth",
            key, readable, root.copies, sure, lines));
    }
    newest_ = newest->copy;
}

std::string FoundMemory::where() const
{
    std::string files;
    for (const Opened& place : opened_) {
        if (place.copy) {
            files += fmt::format("{}'{}'", files.empty() ? "" : ", ", place.spec.text);
        }
    }
    return files.empty() ? files
                         : fmt::format(".  (The memory is in {}; if these are new images, and "
                                       "nothing in them is needed, remove that)",
                                       files);
}

void FoundMemory::check_size(std::uint64_t size) const
{
    if (newest_ && newest_->content.root.device_size != size) {
        throw SetupError(fmt::format(
            "{}: the memory is that of a device of {} bytes, and the children have {}: these are "
            "other children, or they were resized{}",
            key, newest_->content.root.device_size, size, where()));
    }
}

std::unique_ptr<Memory> FoundMemory::make(memoryfile::Content content, Clock& clock)
{
    const Layout layout(content.root.device_size);
    std::vector<MemoryStore::Place> all;
    for (Opened& place : opened_) {
        if (!place.device && place.spec.kind == SpecKind::path) {
            // Beside a child that is away there may be no folder even.
            try {
                make_file(place.spec, layout.bytes());
                open(place, true);
            } catch (const SetupError& error) {
                if (!places_.automatic) {
                    throw;
                }
                log::warning("{}", error.what());
                continue;
            }
        } else if (!place.device && place.missing.empty()) {
            open(place, true);
        }
        if (!place.device) {
            log::warning("{}: '{}' is not there: {}", key, place.spec.text, place.missing);
            continue;
        }
        if (place.device->size() < layout.bytes(content.members.size())) {
            fail(place.spec, fmt::format("has {} bytes, and {} are needed for a device of {} bytes",
                                         place.device->size(), layout.bytes(),
                                         content.root.device_size));
        }
        const bool counts = place.copy && place.copy->content.weight == content.weight;
        all.push_back({place.spec.text, place.device,
                       counts ? place.copy->slots : std::vector<std::uint8_t>{}});
    }
    if (all.empty() && places_.automatic && !newest_) {
        log::warning("{}: there is no place for it: after a restart nobody knows which children are "
                     "current",
                     key);
        return nullptr;
    }
    // Those of a new set that cannot be made were never there.
    std::size_t copies = all.size();
    std::size_t needed = std::min(places_.needed, copies / 2 + 1);
    if (newest_) {
        copies = std::max<std::size_t>(copies, content.root.copies);
        needed = all.size() >= places_.needed
                     ? places_.needed
                     : std::min<std::size_t>(places_.needed, content.root.needed);
    }
    content.root.copies = static_cast<std::uint32_t>(copies);
    content.root.needed = static_cast<std::uint32_t>(needed);
    auto store = std::make_unique<MemoryStore>(std::move(all), content.newest, needed, timeout_,
                                               clock);
    return std::make_unique<Memory>(std::move(content), std::move(store), 4 * timeout_, clock);
}

}  // namespace resilience::quorum
