// SPDX-License-Identifier: BSD-3-Clause
#include "filters/quorum/module.h"

#include <algorithm>
#include <limits>
#include <map>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "common/child/lasting_device.h"
#include "common/core/log.h"

namespace resilience::quorum {

namespace {

using std::chrono::milliseconds;

constexpr std::string_view child_key = "quorum-child";
constexpr std::size_t most_children = 32;
constexpr milliseconds stop_limit{3000};

bool is_number(std::string_view text)
{
    return !text.empty() && std::all_of(text.begin(), text.end(),
                                        [](char c) { return c >= '0' && c <= '9'; });
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

QuorumModule::QuorumModule(Form form) : Module(form, name, "quorum-")
{
    options_.unflushed_limit = default_unflushed_limit;
    const auto spec = [this](const Given& given) {
        labelled(given.label).spec = parse_child_parameter(given);
    };
    const auto timeout = [this](const Given& given) {
        labelled(given.label).timeout = takes::parse_time(given.key, given.value);
    };
    const auto cache = [this](const Given& given) {
        labelled(given.label).direct =
            takes::which(given, std::vector<std::string>{"none", "default"}) == 0;
    };
    const auto lock = [this](const Given& given) {
        labelled(given.label).lock = parse_bool(given.key, given.value);
    };
    const auto threshold = [this](const Given& given) {
        threshold_ = given.value;  // what is allowed depends on how many children there will be
    };
    add({
        {"quorum-child", {"<SPEC>", "", spec, ""}, "A replica: a path, an NBD URI or [ COMMAND ]"},
        {"quorum-child.NAME", {"<SPEC>", "", spec, "this child"},
         "The same, with a name (or a place, 0, 1, ...)"},
        {"quorum-child.NAME.timeout", {"<T>", "", timeout, ""}, "How long this child may take"},
        {"quorum-child.NAME.cache", {"none|default", "", cache, ""},
         "none: past the page cache (O_DIRECT)"},
        {"quorum-child.NAME.lock", {"<BOOL>", "true", lock, ""}, "Take QEMU's advisory locks"},
        {"quorum-threshold", {"<N>", "", threshold, ""}, "Votes needed (default: a majority)"},
        {"quorum-read-pattern",
         takes::choice(options_.read_pattern, {{"quorum", ReadPattern::quorum},
                                               {"fifo", ReadPattern::fifo},
                                               {"fastest", ReadPattern::fastest}},
                       "Please set read-pattern as fifo or quorum (or fastest)"),
         "Whom a read asks"},
        {"quorum-rewrite-corrupted", takes::truth(options_.rewrite_corrupted),
         "Heal children that lose a vote"},
        {"quorum-blkverify", takes::truth(options_.blkverify),
         "Two children; end on a difference"},
        {"quorum-timeout", takes::duration(options_.timeout), "How long a child may take"},
        {"quorum-read-only", takes::truth(options_.read_only), "Open the children read-only"},
        {"quorum-resync-rate", takes::size(options_.resync_rate),
         "Bytes per second (default 0: no limit)"},
        {"quorum-unflushed-limit", takes::size(options_.unflushed_limit),
         "Memory for writes that a server may forget (default 64M; 0: none)"},
        {"quorum-memory",
         {"auto|none|<SPEC>", "none", [this](const Given& given) { set_memory(given); }, ""},
         "Where the members' states are kept (may be repeated)"},
        {"quorum-create",
         {"equal|degraded|fill-from:<NAME>", "equal",
          [this](const Given& given) { set_create(given); }, ""},
         "What a new set is made of"},
        {"quorum-force-start", takes::text("<NAME>", memory_parameters_.wishes.force_start),
         "This child's content is the truth"},
        {"quorum-start-timeout",
         takes::parsed("<T>", memory_parameters_.start_timeout, takes::parse_time),
         "How long members may take at the start (default: their timeout)"},
        control().parameter("quorum-control"),
        {"quorum-name", takes::name(options_.name), "What events call the quorum"},
    });
}

std::string QuorumModule::ChildParameters::name() const
{
    return is_number(label) ? "" : label;
}

/// The child with this label, which may be new; without one it is surely new.
QuorumModule::ChildParameters& QuorumModule::labelled(std::string_view label)
{
    const auto known = std::ranges::find(given_, label, &ChildParameters::label);
    if (!label.empty() && known != given_.end()) {
        return *known;
    }
    given_.push_back({});
    given_.back().label = label;
    return given_.back();
}

/// Puts the children in order: those with a number at their place, the others
/// in between in the order in which they were given.
void QuorumModule::arrange()
{
    std::map<std::size_t, ChildParameters> places;
    std::map<std::size_t, ChildParameters> options;  // quorum-child.0.timeout= for a bare child
    if (form() == Form::filter) {
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
        } else if (form() == Form::filter && place == 0) {
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
        if (!child.spec && !(form() == Form::filter && place == 0)) {
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
    const std::vector<std::string> below = storage_below();
    for (const std::string& identity : below) {
        seen.emplace(identity, "the plugin below the filter");
    }
    for (ChildParameters& child : children_) {
        if (!child.spec) {
            child.storage = below;
            continue;
        }
        child.storage = {storage_identity(*child.spec)};
        const std::string what = fmt::format("'{}'", child.spec->text);
        const auto [other, is_new] = seen.emplace(child.storage.front(), what);
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
        return std::make_shared<LastingDevice>(spec, options);
    } catch (const SetupError& error) {
        throw SetupError(fmt::format("{}: {}", label, error.what()));
    }
}

void QuorumModule::get_ready(std::shared_ptr<Device> next)
{
    std::vector<NewChild> opened =
        remembers() ? open_remembered(std::move(next)) : open_all(std::move(next));
    if (opened.size() == 1) {
        log::warning("{}: there is one child: nothing is compared with it, and nothing is left when "
                     "it fails; others are given as {}=SPEC, or added with nbdctl child-add",
                     options_.name, child_key);
    }
    if (opened.size() > 1 && options_.threshold == opened.size() && !options_.blkverify) {
        log::warning("{0}: the threshold is {1} of {1} children: the first one that is lost stops "
                     "everything; to survive that give a child more ({2}=SPEC){3}",
                     options_.name, options_.threshold, child_key,
                     opened.size() > 2 ? ", or a lower quorum-threshold"
                                       : "; quorum-threshold=1 would survive it, and no longer vote "
                                         "on what is read");
    }
    reporter_ = std::make_unique<Reporter>(control().events(), options_.name);
    device_ = std::make_shared<QuorumDevice>(options_, std::move(opened), *reporter_, background());
    if (found_memory_) {
        if (auto memory = found_memory_->make(std::move(content_), real_clock())) {
            device_->remember(std::move(memory));
        }
        found_memory_.reset();
    }
    if (!truth_.empty()) {
        device_->begin_from(truth_);
    }

    const auto open_for_command = [this](const ChildSpec& spec) {
        return open_spec(spec, options_of({}), "child");
    };
    commands_ = std::make_unique<Control>(*device_, open_for_command, directory());
    commands_->add_commands(control().commands());
}

void QuorumModule::cleanup()
{
    if (commands_) {
        commands_->stop(stop_limit);
    }
    if (device_) {
        device_->stop(stop_limit);
    }
}

}  // namespace resilience::quorum
