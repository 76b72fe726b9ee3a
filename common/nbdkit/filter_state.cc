// SPDX-License-Identifier: BSD-3-Clause
#include "common/nbdkit/filter_state.h"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/core/log.h"
#include "common/core/setup_error.h"
#include "common/nbdkit/next_probe.h"
#include "common/nbdkit/plugin_hooks.h"
#include "common/nbdkit/version.h"

namespace resilience::shim {
namespace {

// The module has stopped its devices in cleanup(); this is for one that has
// forgotten to.
constexpr std::chrono::seconds last_stop{1};

/// Plugins of nbdkit's that take one bare word.  Of several they use the last,
/// without a word; others make one disk of them (split, iso).
constexpr std::string_view takes_one[] = {"curl", "data", "file", "full", "memory",
                                          "nbd", "null", "partitioning", "pattern", "random",
                                          "sparse-random", "ssh", "tmpdisk", "torrent"};

}  // namespace

const char* describe_with_version(const char* description)
{
    return (new std::string(
                fmt::format("{}\nPart of nbdkit-resilience {}.", description, collection_version)))
        ->c_str();
}

FilterState::FilterState(Parts parts)
    : name_(std::move(parts.name)), alternative_(std::move(parts.alternative)),
      first_parameter_(std::move(parts.first_parameter)), module_(std::move(parts.module))
{
}

bool FilterState::config(const char* key, const char* value)
{
    check_alone();
    return module_->config(key, value);
}

/// Before anything is given, because of two that have the same parameters one gets
/// all of them.
void FilterState::check_alone() const
{
    if (loads > 1) {
        throw SetupError(fmt::format(
            "{0}: the filter is loaded {1} times: one --filter={0} is allowed", name_, loads));
    }
    if (plugin_name() == name_) {
        throw SetupError(fmt::format(
            "{0}: the plugin below the filter is {0} too, so each parameter would go to the filter "
            "and none to the plugin; run the plugin in a server of its own, and the filter over "
            "nbdkit's nbd plugin, or use the plugin alone with the SPEC '[ nbdkit {0} ... ]'",
            name_));
    }
}

void FilterState::config_complete(nbdkit_backend* nxdata)
{
    check_alone();
    check_bare_words();
    // The only place before the fork where nbdkit says what is below us.
    backend_ = nxdata;
    module_->config_complete();
}

/// nbdkit gives bare words to the plugin: in `--filter=quorum file a b c` there is
/// no replica, but a plugin that serves c alone.
void FilterState::check_bare_words() const
{
    const std::string plugin = plugin_name();
    const std::string key = plugin_magic_key();
    std::vector<std::string_view> values;
    for (const auto& [name, value] : module_->below()) {
        if (name == key) {
            values.push_back(value);
        }
    }
    if (values.size() < 2 || std::ranges::find(takes_one, plugin) == std::end(takes_one)) {
        return;
    }
    const std::string between = ", " + key + "=";
    throw SetupError(fmt::format(
        "{}: words without a name go to the plugin {} below, which takes one and was given {}={}: "
        "what is for this filter is given by name, such as {}={}",
        name_, plugin, key, fmt::join(values, between), first_parameter_, values.back()));
}

void FilterState::get_ready(int thread_model)
{
    const bool background = thread_model == NBDKIT_THREAD_MODEL_PARALLEL;
    const auto timeout = module_->timeout();
    const NextFacts facts = probe_next(backend_, {name_, alternative_}, timeout);
    if (!background) {
        log::warning("{}: the thread model of the plugin or of another filter is not "
                   "parallel, so a plugin that hangs cannot be abandoned: requests wait for it "
                   "as long as it takes{}{}",
                   name_, alternative_.empty() ? "" : "; ", alternative_);
    }
    next_ = std::make_shared<NextDevice>(
        NextDevice::Options{name_, backend_, facts, background, timeout});
    module_->set_background(background);
    module_->make_ready(next_);
}

void FilterState::after_fork(nbdkit_backend* backend)
{
    if (backend != backend_) {
        throw SetupError(fmt::format("{}: this version of nbdkit gives a filter different "
                                     "backends; it cannot be used",
                                     name_));
    }
    module_->serve();
}

void FilterState::cleanup()
{
    module_->end();
    if (next_) {
        next_->stop(last_stop);
    }
}

FilterConnection* FilterState::open(nbdkit_next_open* next, nbdkit_context* context,
                                    bool read_only, const char* export_name)
{
    const Client client = {export_name, read_only, connections_.next_number()};
    std::shared_ptr<Device> device = module_->show(client);
    // Always the default export: what a module keeps (a log, a bitmap) is about
    // one device, and must not be fed with another one's content.
    if (!next_->background() && next(context, read_only ? 1 : 0, "") == -1) {
        throw SetupError(fmt::format("{}: the plugin below the filter refuses the connection",
                                     name_));
    }
    return connections_.add({connect(std::move(device), read_only), {}});
}

int FilterState::list_exports(nbdkit_exports* exports) const noexcept
{
    return shim::list_exports(*module_, exports);
}

void FilterState::prepare(FilterConnection& connection, nbdkit_next* next)
{
    if (next_->background()) {
        return;
    }
    NextFacts& facts = connection.next_facts;
    if (!learn(next, facts)) {
        throw SetupError(fmt::format("{}: the plugin below the filter does not answer", name_));
    }
    if (facts.size != next_->size()) {
        throw SetupError(fmt::format("{}: the plugin below the filter has {} bytes for this "
                                     "connection, it had {}",
                                     name_, facts.size, next_->size()));
    }
    if (next_->capabilities().writable && !facts.capabilities.writable) {
        connection.read_only = true;
    }
}

void FilterState::close(FilterConnection* connection) noexcept { connections_.remove(connection); }

}  // namespace resilience::shim
