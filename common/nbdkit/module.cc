// SPDX-License-Identifier: BSD-3-Clause
#include "common/nbdkit/module.h"

#include <filesystem>

#include "common/child/child_spec.h"

namespace resilience {

bool Module::config(std::string_view key, const std::string& value)
{
    if (directory_.empty()) {
        directory_ = std::filesystem::current_path();
    }
    if (parameters_.set(key, value, directory_)) {
        return true;
    }
    if (form_ == Form::plugin) {
        parameters_.refuse(key);
    }
    below_.emplace_back(key, value);
    return false;
}

std::vector<std::string> Module::storage_below() const
{
    std::vector<std::string> found;
    for (const auto& [key, value] : below_) {
        if (auto identity = plugin_storage_identity(key, value, directory_)) {
            found.push_back(std::move(*identity));
        }
    }
    return found;
}

}  // namespace resilience
