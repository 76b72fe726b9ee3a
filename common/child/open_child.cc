// SPDX-License-Identifier: BSD-3-Clause
#include "common/child/open_child.h"

#include "common/core/setup_error.h"
#include "common/device/aligned_device.h"
#include "common/nbd/nbd_device.h"

namespace resilience {

namespace {

OpenedChild open_by_kind(const ChildSpec& spec, const OpenOptions& options)
{
    if (spec.kind == SpecKind::path) {
        const auto file = std::make_shared<FileDevice>(spec.target, options, spec.text);
        return {file, file, nullptr};
    }
    const auto nbd = open_nbd_child({.text = spec.text,
                            .address = spec.target,
                            .command = spec.kind == SpecKind::command,
                            .directory = spec.directory},
                           options);
    return {nbd, nullptr, nbd};
}

}  // namespace

OpenedChild open_child_parts(const ChildSpec& spec, const OpenOptions& options)
{
    OpenedChild child = open_by_kind(spec, options);
    if (child.device->block_limits().minimum > 1) {
        child.device = std::make_shared<AlignedDevice>(std::move(child.device));
        if (child.device->size() == 0) {
            throw SetupError("'" + spec.text + "' is smaller than one of its own blocks");
        }
    }
    return child;
}

std::shared_ptr<Device> open_child(const ChildSpec& spec, const OpenOptions& options)
{
    return open_child_parts(spec, options).device;
}

}  // namespace resilience
