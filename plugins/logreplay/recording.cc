// SPDX-License-Identifier: BSD-3-Clause
#include "plugins/logreplay/recording.h"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "common/control/json.h"
#include "common/replay/index_file.h"
#include "common/replay/state_device.h"
#include "plugins/logreplay/device_size.h"
#include "plugins/logreplay/export_list.h"

namespace resilience::logreplay {
namespace {

using writelog::BodyHash;
using writelog::LogError;
using writelog::State;

template <typename T>
void add(BodyHash& hash, const T* values, std::size_t count)
{
    hash.add(std::as_bytes(std::span(values, count)));
}

void add(BodyHash& hash, std::uint64_t value) { add(hash, &value, 1); }

}  // namespace

Recording::Recording(const Options& options, std::shared_ptr<Device> base)
try : point_(options.point), discard_(options.discard), base_(std::move(base)),
      log_(std::make_shared<writelog::LogFile>(options.log)), index_(writelog::load_index(*log_)),
      timeline_(std::make_unique<writelog::Timeline>(log_, index_, options.discard))
{
    const auto base_size = base_ ? std::optional(base_->size()) : std::nullopt;
    size_ = device_size(*log_, *index_, base_size, options.size);
    resolve_state(*index_, point_);
} catch (const LogError& error) {
    throw SetupError(error.what());
}

const std::string& Recording::resolve(const std::string& name) const
{
    return name.empty() ? point_ : name;
}

State Recording::state(const std::string& name) const
try {
    // It goes to the log of the server: no line that a client could forge.
    if (std::ranges::any_of(name, [](unsigned char c) { return c < 0x20 || c == 0x7f; })) {
        throw SetupError("an export name with control characters names no state of the log; a "
                         "mark of such a name is reached by the number of its entry");
    }
    return resolve_state(*index_, resolve(name));
} catch (const LogError& error) {
    throw SetupError(error.what());
}

std::shared_ptr<Device> Recording::open(const std::string& name) const
{
    return std::make_shared<writelog::StateDevice>(log_, base_, timeline_->at(state(name)), size_,
                                                   resolve(name));
}

std::uint64_t Recording::identity(const std::string& name) const
{
    const State state = this->state(name);
    BodyHash hash;
    add(hash, log_->super().extension ? log_->super().extension->log_id : 0);
    add(hash, log_->sector_size());
    add(hash, size_);
    add(hash, base_ ? base_->size() : 0);
    add(hash, static_cast<std::uint64_t>(discard_));
    add(hash, state.entries);
    add(hash, index_->records().data(), state.entries);
    add(hash, state.dropped.size());
    add(hash, state.dropped.data(), state.dropped.size());
    for (const writelog::Tear& tear : state.torn) {
        add(hash, tear.entry);
        add(hash, tear.sectors.size());
        add(hash, tear.sectors.data(), tear.sectors.size());
    }
    return hash.value();
}

std::vector<Export> Recording::exports() const
{
    return list_exports(*log_, *index_, point_);
}

Json Recording::status() const
{
    return {{"log", log_->path()},
            {"size", size_},
            {"sector-size", log_->sector_size()},
            {"entries", index_->size()},
            {"flushes", index_->flushes().size()},
            {"fuas", index_->fuas().size()},
            {"marks", index_->marks().size()},
            {"point", point_}};
}

}  // namespace resilience::logreplay
