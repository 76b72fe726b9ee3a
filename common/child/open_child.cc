// SPDX-License-Identifier: BSD-3-Clause
#include "common/child/child_spec.h"
#include "common/core/setup_error.h"
#include "common/device/aligned_device.h"
#include "common/file/file_device.h"
#include "common/nbd/nbd_device.h"

namespace resilience {

namespace {

std::shared_ptr<Device> open_by_kind(const ChildSpec& spec, const OpenOptions& options)
{
    if (spec.kind == SpecKind::path) {
        return std::make_shared<FileDevice>(spec.target, options, spec.text);
    }
    return open_nbd_child({.text = spec.text,
                           .address = spec.target,
                           .command = spec.kind == SpecKind::command,
                           .directory = spec.directory},
                          options);
}

}  // namespace

std::shared_ptr<Device> open_child(const ChildSpec& spec, const OpenOptions& options)
{
    auto device = open_by_kind(spec, options);
    if (device->block_limits().minimum <= 1) {
        return device;
    }
    auto aligned = std::make_shared<AlignedDevice>(std::move(device));
    if (aligned->size() == 0) {
        throw SetupError("'" + spec.text + "' is smaller than one of its own blocks");
    }
    return aligned;
}

}  // namespace resilience
