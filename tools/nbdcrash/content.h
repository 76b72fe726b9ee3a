// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The content of the device at a state of its log, and how it is read,
// compared, and written elsewhere.  All of it goes through maps: nothing here
// looks at entries one by one, so that a state costs what it holds and not how
// it came about.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/device/device.h"
#include "common/replay/content_map.h"
#include "tools/nbdcrash/opened_log.h"

namespace resilience::nbdcrash {

/// A run of bytes of the device, > 0.
struct ByteRange {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;

    std::uint64_t end() const { return offset + length; }
    friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

/// A device that is open for as long as this object lives.
class OpenedDevice {
public:
    OpenedDevice() = default;
    /// Opens a child SPEC and starts it.  Throws SetupError.
    OpenedDevice(const std::string& spec, bool writable);
    OpenedDevice(OpenedDevice&&) = default;
    OpenedDevice& operator=(OpenedDevice&& other) noexcept;
    ~OpenedDevice();

    const std::shared_ptr<Device>& device() const { return device_; }
    explicit operator bool() const { return device_ != nullptr; }

private:
    void close();

    std::shared_ptr<Device> device_;
};

/// An optional --base; an empty SPEC gives an empty object.
OpenedDevice open_base(const std::string& spec);

/// A state of the log as a device, read-only.
std::shared_ptr<Device> state_device(const OpenedLog& log, const std::shared_ptr<Device>& base,
                                     writelog::ContentMap map, std::uint64_t size);

/// Throws LogError if a body that `map` takes bytes from does not match its
/// checksum: nobody wrote those bytes.
void check_bodies(const OpenedLog& log, const writelog::ContentMap& map);

/// Where two states of one log take their bytes from different places.  The
/// content may still be the same.  Without a base, what was never written is
/// the same as zeroes.
std::vector<ByteRange> changed_ranges(const writelog::ContentMap& a, const writelog::ContentMap& b,
                                      std::uint64_t size, bool has_base);

/// Where the contents of two devices differ within `range`, in whole 512-byte
/// sectors, at most to the end of the range.  Holes of both are not read.
/// `progress` is told of bytes that are done.  Throws ToolError for what
/// cannot be read.
std::vector<ByteRange> compare(Device& a, Device& b, const ByteRange& range,
                               const std::function<void(std::uint64_t)>& progress);

/// What copy() did.
struct Copied {
    std::uint64_t data = 0;   ///< bytes written
    std::uint64_t zeroes = 0; ///< bytes made zero, mostly as holes
};

/// Makes `range` of `target` what `source` has there.  Zeroes become holes
/// where the target can have some; if it `was_zero` before, they are left out.  Throws
/// ToolError.
Copied copy(Device& source, Device& target, const ByteRange& range, bool was_zero,
            const std::function<void(std::uint64_t)>& progress);

/// Carries a request out, or throws ToolError, which names the device, what
/// was to be done, and where.
void require(Device& device, Request& request);

}  // namespace resilience::nbdcrash
