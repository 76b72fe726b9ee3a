// SPDX-License-Identifier: BSD-3-Clause
#include "filters/quorum/module.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <map>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "common/core/log.h"
#include "common/core/parameter.h"

namespace resilience::quorum {

namespace {

using std::chrono::milliseconds;

constexpr std::string_view child_key = "quorum-child";
constexpr milliseconds shortest_timeout{10};
constexpr milliseconds longest_timeout{3600 * 1000};
constexpr std::size_t most_children = 32;
constexpr milliseconds stop_limit{3000};

bool is_number(std::string_view text)
{
    return !text.empty() && std::all_of(text.begin(), text.end(),
                                        [](char c) { return c >= '0' && c <= '9'; });
}

ReadPattern parse_read_pattern(std::string_view key, const std::string& value)
{
    for (const ReadPattern pattern :
         {ReadPattern::quorum, ReadPattern::fifo, ReadPattern::fastest}) {
        if (value == to_string(pattern)) {
            return pattern;
        }
    }
    throw SetupError(fmt::format(
        "{}={}: Please set read-pattern as fifo or quorum (or fastest)", key, value));
}

/// A number that is too large is for Options::settle(), which has QEMU's text for it.
std::size_t parse_threshold(const std::string& value, std::size_t children)
{
    constexpr std::string_view key = "quorum-threshold";
    if (!is_number(value)) {
        throw SetupError(fmt::format("{}={}: expects an integer from 1 to {}", key, value, children));
    }
    return parse_integer(key, value, 1, std::numeric_limits<std::size_t>::max());
}

[[noreturn]] void refuse_options(std::string_view label)
{
    throw SetupError(fmt::format("{0}.{1}: options are given for this child, but there is no such "
                                 "child: give {0}.{1}=SPEC, or correct the name",
                                 child_key, label));
}

}  // namespace

const char* const QuorumModule::config_help =
    "quorum-child=<SPEC>            A replica: a path, an NBD URI or [ COMMAND ].\n"
    "quorum-child.NAME=<SPEC>       The same, with a name (or a place, 0, 1, ...).\n"
    "quorum-child.NAME.timeout=<T>  How long this child may take.\n"
    "quorum-child.NAME.cache=none   Past the page cache (O_DIRECT).\n"
    "quorum-child.NAME.lock=<BOOL>  Take QEMU's advisory locks (default true).\n"
    "quorum-threshold=<N>           Votes needed (default: a majority).\n"
    "quorum-read-pattern=<P>        quorum, fifo or fastest (default quorum).\n"
    "quorum-rewrite-corrupted=<BOOL> Heal children that lose a vote (default false).\n"
    "quorum-blkverify=<BOOL>        Two children; end on a difference (default false).\n"
    "quorum-timeout=<T>             How long a child may take (default 10s).\n"
    "quorum-read-only=<BOOL>        Open the children read-only (default false).\n"
    "quorum-resync-rate=<SIZE>      Bytes per second (default 0: no limit).\n"
    "quorum-control=<SOCKET>        Where nbdctl(1) connects to.\n"
    "quorum-name=<NAME>             What events call the quorum (default quorum).";

bool QuorumModule::config(std::string_view key, const std::string& value)
try {
    if (directory_.empty()) {
        directory_ = std::filesystem::current_path();
    }
    if (key == child_key || key.starts_with("quorum-child.")) {
        config_child(key, value);
    } else if (key == "quorum-threshold") {
        threshold_ = value;  // what is allowed depends on how many children there will be
    } else if (key == "quorum-read-pattern") {
        options_.read_pattern = parse_read_pattern(key, value);
    } else if (key == "quorum-rewrite-corrupted") {
        options_.rewrite_corrupted = parse_bool(key, value);
    } else if (key == "quorum-blkverify") {
        options_.blkverify = parse_bool(key, value);
    } else if (key == "quorum-read-only") {
        options_.read_only = parse_bool(key, value);
    } else if (key == "quorum-timeout") {
        options_.timeout = parse_duration(key, value, shortest_timeout, longest_timeout);
    } else if (key == "quorum-resync-rate") {
        options_.resync_rate = parse_size(key, value);
    } else if (key == "quorum-control") {
        control_path_ = parse_path(key, value, directory_);
    } else if (key == "quorum-name") {
        options_.name = parse_name(key, value);
    } else {
        return false;
    }
    return true;
} catch (const std::invalid_argument& error) {
    throw SetupError(error.what());
}

void QuorumModule::observe(std::string_view key, const std::string& value)
{
    if (auto identity = plugin_storage_identity(key, value, std::filesystem::current_path())) {
        below_.push_back(std::move(*identity));
    }
}

QuorumModule::ChildParameters& QuorumModule::labelled(std::string_view key,
                                                      std::string_view label)
{
    if (!is_name(label)) {
        throw SetupError(
            fmt::format("{}: '{}' is no name: use letters, digits, '-' and '_'", key, label));
    }
    const auto known = std::find_if(given_.begin(), given_.end(), [&](const ChildParameters& child) {
        return child.label == label;
    });
    if (known != given_.end()) {
        return *known;
    }
    given_.push_back({});
    given_.back().label = label;
    return given_.back();
}

void QuorumModule::config_child(std::string_view key, const std::string& value)
{
    if (key == child_key) {
        given_.push_back({});
        given_.back().spec = parse_child_parameter({key, value, directory_, {}});
        return;
    }
    std::string_view label = key.substr(child_key.size() + 1);
    const std::size_t dot = label.find('.');
    if (dot != std::string_view::npos) {
        config_child_option(key, label.substr(0, dot), label.substr(dot + 1), value);
        return;
    }
    ChildParameters& child = labelled(key, label);
    if (child.spec) {
        throw SetupError(fmt::format("{}={}: this child has been given already, as '{}'", key,
                                     value, child.spec->text));
    }
    child.spec = parse_child_parameter({key, value, directory_, {}});
}

void QuorumModule::config_child_option(std::string_view key, std::string_view label,
                                       std::string_view option, const std::string& value)
{
    ChildParameters& child = labelled(key, label);
    if (option == "timeout") {
        child.timeout = parse_duration(key, value, shortest_timeout, longest_timeout);
    } else if (option == "cache") {
        if (value != "none" && value != "default") {
            throw SetupError(fmt::format("{}={}: expects none or default", key, value));
        }
        child.direct = value == "none";
    } else if (option == "lock") {
        child.lock = parse_bool(key, value);
    } else {
        throw SetupError(fmt::format("{}: '{}' is no option of a child: use timeout, cache or lock",
                                     key, option));
    }
}

/// Puts the children in order: those with a number at their place, the others
/// in between in the order in which they were given.
void QuorumModule::arrange()
{
    std::map<std::size_t, ChildParameters> places;
    std::map<std::size_t, ChildParameters> options;  // quorum-child.0.timeout= for a bare child
    if (form_ == Form::filter) {
        places[0] = {};  // the plugin below
    }
    for (const ChildParameters& child : given_) {
        if (!is_number(child.label)) {
            continue;
        }
        const std::string key = fmt::format("{}.{}", child_key, child.label);
        const std::size_t place = parse_integer(key, child.label, 0, most_children - 1);
        if (!child.spec) {
            options[place] = child;
        } else if (form_ == Form::filter && place == 0) {
            throw SetupError(key + ": child 0 is the plugin below the filter");
        } else if (!places.emplace(place, child).second) {
            throw SetupError(key + ": this place has been given already");
        }
    }
    std::size_t next = 0;
    for (const ChildParameters& child : given_) {
        if (!is_number(child.label)) {
            while (places.contains(next)) {
                next++;
            }
            places[next] = child;
        }
    }
    for (auto& [place, child] : places) {
        if (place != children_.size()) {
            throw SetupError(fmt::format("Option {0} is not a valid array: there is no {0}.{1}",
                                         child_key, children_.size()));
        }
        if (!child.spec && !(form_ == Form::filter && place == 0)) {
            refuse_options(child.label);
        }
        if (const auto own = options.extract(place)) {
            child.timeout = own.mapped().timeout;
            child.direct = own.mapped().direct;
            child.lock = own.mapped().lock;
        }
        children_.push_back(child);
    }
    if (!options.empty()) {
        refuse_options(options.begin()->second.label);
    }
    if (children_.size() > most_children) {
        throw SetupError(fmt::format("{}: {} children are too many, {} are allowed", child_key,
                                     children_.size(), most_children));
    }
}

void QuorumModule::check_duplicates()
{
    std::map<std::string, std::string> seen;
    for (const std::string& identity : below_) {
        seen.emplace(identity, "the plugin below the filter");
    }
    for (ChildParameters& child : children_) {
        if (!child.spec) {
            child.storage = below_.empty() ? "" : below_.back();
            continue;
        }
        child.storage = storage_identity(*child.spec);
        const std::string what = fmt::format("'{}'", child.spec->text);
        const auto [other, is_new] = seen.emplace(child.storage, what);
        if (!is_new) {
            throw SetupError(fmt::format("{}={}: this is the same storage as {}; a copy that is no "
                                         "other copy protects from nothing",
                                         child_key, child.spec->text, other->second));
        }
    }
}

void QuorumModule::config_complete()
try {
    arrange();
    if (threshold_ && !children_.empty()) {
        options_.threshold = parse_threshold(*threshold_, children_.size());
    }
    options_.settle(children_.size());
    check_duplicates();
} catch (const std::invalid_argument& error) {
    throw SetupError(error.what());
}

milliseconds QuorumModule::timeout_of(const ChildParameters& child) const
{
    return child.timeout.value_or(options_.timeout);
}

milliseconds QuorumModule::timeout() const
{
    return children_.empty() ? options_.timeout : timeout_of(children_.front());
}

OpenOptions QuorumModule::options_of(const ChildParameters& child) const
{
    OpenOptions options;
    options.writable = !options_.read_only;
    options.direct = child.direct;
    options.lock = child.lock;
    options.timeout = timeout_of(child);
    options.read_only_by = "quorum-read-only=true";
    return options;
}

std::shared_ptr<Device> QuorumModule::open_spec(const ChildSpec& spec, const OpenOptions& options,
                                                const std::string& label) const
{
    try {
        return open_child(spec, options);
    } catch (const SetupError& error) {
        throw SetupError(fmt::format("{}: {}", label, error.what()));
    }
}

void QuorumModule::get_ready(std::shared_ptr<Device> next)
{
    std::vector<NewChild> opened;
    for (const ChildParameters& child : children_) {
        const std::string node_name = is_number(child.label) ? "" : child.label;
        const std::string label = child.label.empty() ? std::string(child_key)
                                                      : fmt::format("{}.{}", child_key, child.label);
        std::shared_ptr<Device> device =
            child.spec ? open_spec(*child.spec, options_of(child), label) : next;
        opened.push_back({node_name, std::move(device), timeout_of(child), child.storage});
    }
    reporter_ = std::make_unique<Reporter>(events_, options_.name);
    device_ = std::make_shared<QuorumDevice>(options_, std::move(opened), *reporter_, background());

    const auto open_for_command = [this](const ChildSpec& spec) {
        return open_spec(spec, options_of({}), "child");
    };
    control_ = std::make_unique<Control>(*device_, open_for_command, directory_);
    control_->add_commands(commands_);
    if (!control_path_.empty()) {
        server_ = std::make_unique<ControlServer>(control_path_, commands_, events_);
    }
}

void QuorumModule::after_fork()
{
    device_->start();
    if (server_) {
        server_->start();
    }
}

void QuorumModule::cleanup()
{
    if (server_) {
        server_->stop(stop_limit);
    }
    if (control_) {
        control_->stop(stop_limit);
    }
    if (device_) {
        device_->stop(stop_limit);
    }
}

}  // namespace resilience::quorum
