// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdcrash/target.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "common/child/child_spec.h"
#include "common/core/unique_fd.h"
#include "tools/nbdcrash/tool_error.h"

namespace resilience::nbdcrash {

namespace {

ChildSpec parse(const std::string& spec)
{
    return parse_child_spec(spec, std::filesystem::current_path().string());
}

/// Replaying onto what is read from would destroy both.
void require_different(const ChildSpec& target, const std::string& other, const char* what)
{
    if (!other.empty() && storage_identity(target) == storage_identity(parse(other))) {
        throw ToolError(fmt::format("{}: the target is the same as {}", target.text, what));
    }
}

[[noreturn]] void fail(const std::string& path, const char* doing)
{
    throw ToolError(fmt::format("{}: {}: {}", path, doing, std::strerror(errno)));
}

/// What is at `path`; nullopt if nothing is.
std::optional<struct stat> look(const std::string& path)
{
    struct stat status = {};
    if (::stat(path.c_str(), &status) == -1) {
        if (errno == ENOENT) {
            return std::nullopt;
        }
        fail(path, "cannot be looked at");
    }
    return status;
}

void require_size(const std::string& target, std::uint64_t have, const DeviceSize& size)
{
    if (have != size.bytes) {
        throw ToolError(fmt::format("{}: has {} bytes, the device has {} (from {}); give a target "
                                    "of that size, or say --size",
                                    target, have, size.bytes, size.source));
    }
}

/// Makes the file, or empties it: of the right size, and all zero.
void make_empty(const std::string& path, std::uint64_t size)
{
    constexpr mode_t mode = 0666;
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, mode));
    if (!fd) {
        fail(path, "cannot be opened for writing");
    }
    if (::ftruncate(fd.get(), 0) == -1 || ::ftruncate(fd.get(), static_cast<off_t>(size)) == -1) {
        fail(path, "cannot be given its size");
    }
}

}  // namespace

Target open_target(const std::string& text, const DeviceSize& size, bool keep,
                   const std::string& log, const std::string& base)
{
    if (size.bytes == 0 || size.bytes > std::numeric_limits<std::int64_t>::max()) {
        throw ToolError(fmt::format("{}: a device of {} bytes (from {}) cannot be made; say --size",
                                    text, size.bytes, size.source));
    }
    const ChildSpec spec = parse(text);
    require_different(spec, log, "the log");
    require_different(spec, base, "the base");
    Target target;
    if (spec.kind == SpecKind::path) {
        const auto status = look(spec.target);
        if (!status && keep) {
            throw ToolError(fmt::format("{}: does not exist; with --from it must hold that state "
                                        "already",
                                        text));
        }
        const bool regular = !status || S_ISREG(status->st_mode);
        if (status && regular) {
            require_size(text, static_cast<std::uint64_t>(status->st_size), size);
        }
        if (regular && !keep) {
            make_empty(spec.target, size.bytes);
            target.created = !status;
            target.path = spec.target;
            target.is_zero = true;
        }
    }
    target.opened = OpenedDevice(text, true);
    require_size(text, target.opened.device()->size(), size);
    return target;
}

void give_up(const Target& target, const std::string& spec, const std::string& why)
{
    const bool removed = target.created && ::unlink(target.path.c_str()) == 0;
    throw ToolError(fmt::format("{}; {}: {}", why, spec,
                                removed ? "was removed, for it held only a part of the state"
                                        : "holds only a part of the state"));
}

}  // namespace resilience::nbdcrash
