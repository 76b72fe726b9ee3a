// SPDX-License-Identifier: BSD-3-Clause
#include "common/control/module_control.h"

#include <utility>

namespace resilience {

Parameter ModuleControl::parameter(std::string name)
{
    Parameter row{std::move(name), takes::path(path_), "Where nbdctl(1) connects to"};
    row.value.word = "<SOCKET>";
    return row;
}

void ModuleControl::open()
{
    if (!path_.empty()) {
        server_ = std::make_unique<ControlServer>(path_, commands_, events_);
    }
}

void ModuleControl::start()
{
    if (server_) {
        server_->start();
    }
}

void ModuleControl::stop()
{
    left_behind_ = server_ && !server_->stop();
}

}  // namespace resilience
