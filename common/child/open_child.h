// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>

#include "common/child/child_spec.h"
#include "common/device/device.h"
#include "common/device/open_options.h"
#include "common/file/file_device.h"
#include "common/nbd/nbd_device.h"

namespace resilience {

/// A child that was opened, and what is below it.
struct OpenedChild {
    std::shared_ptr<Device> device;
    /// The file or block device of a path, which `device` is or adapts; else null.
    std::shared_ptr<FileDevice> file;
    /// The same of a server.
    std::shared_ptr<NbdDevice> nbd;
};

/// open_child() for those who look after what they have opened.
OpenedChild open_child_parts(const ChildSpec& spec, const OpenOptions& options);

}  // namespace resilience
