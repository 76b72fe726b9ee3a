// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// How a child is named, the same everywhere, in the form that nbdcopy's users
// know:
//
//   /path/to/file-or-block-device
//   nbd://host:port/export  nbds://...  nbd+unix:///export?socket=/path  ...
//   [ COMMAND ]             a server started by systemd socket activation;
//                           COMMAND is a shell command line

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/core/parameter_table.h"
#include "common/device/device.h"
#include "common/device/open_options.h"

namespace resilience {

enum class SpecKind : std::uint8_t { path, uri, command };

/// A child SPEC taken apart.  Relative paths in it have been made absolute,
/// because the server changes its directory to / when it becomes a daemon.
struct ChildSpec {
    SpecKind kind = SpecKind::path;
    std::string text;       ///< as the user wrote it; for messages
    std::string target;     ///< absolute path, URI, or command line without the brackets
    std::string directory;  ///< where a command runs: the directory we were started in
};

/// Takes `text` apart.  `directory` is what relative paths are relative to
/// (absolute).  Throws SetupError for what cannot be a SPEC (empty, an unknown
/// URI scheme, QEMU's nbd:HOST:PORT, an unclosed bracket); touches nothing.
ChildSpec parse_child_spec(std::string_view text, const std::string& directory);

/// The same for the value of a parameter: what is thrown names the key.
ChildSpec parse_child_parameter(const Given& given);

/// For a ParameterTable: a SPEC; see there for `once`.
namespace takes {
ParameterValue child(std::optional<ChildSpec>& target, std::string once = {});
}

/// Opens a child and checks it: it exists, answers within the timeout, has a
/// size, can be written if it has to be.  Starts no thread (see
/// Device::start).  Throws SetupError.
std::shared_ptr<Device> open_child(const ChildSpec& spec, const OpenOptions& options);

/// A text that is equal for two SPECs that surely mean the same storage: the
/// inode of a file, the number of a block device, a normalised URI (with
/// the real path of a socket), a command line.  For a path that does not exist, the path itself.
std::string storage_identity(const ChildSpec& spec);

/// The same for what a plugin of nbdkit is told to open by `key`=`value`, as far
/// as that is one of the parameters of its file and nbd plugins; else nullopt.
/// Only to notice that a child is the same storage: another plugin may mean
/// something else by such a key, but then it is hardly the same text.
std::optional<std::string> plugin_storage_identity(std::string_view key, std::string_view value,
                                                   const std::string& directory);

}  // namespace resilience
