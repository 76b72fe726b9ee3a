// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdcrash/explore/subject.h"

#include <poll.h>
#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <exception>
#include <utility>

#include <fmt/format.h>

#include "common/replay/point.h"
#include "common/thread/thread_start.h"
#include "tools/nbdcrash/commands.h"
#include "tools/nbdcrash/explore/spawn.h"
#include "tools/nbdcrash/tool_error.h"

namespace resilience::nbdcrash {

using namespace writelog;

namespace {

constexpr std::uint64_t device_block = 4096;
constexpr std::chrono::hours longest_check{24};

/// A damaged write would be blamed on whoever is tested.
void check_all_bodies(const OpenedLog& log, std::uint64_t end)
{
    for (std::uint64_t entry = 0; entry < end; entry++) {
        if (!body_is_intact(*log.file, (*log.index)[entry])) {
            throw LogError(fmt::format("{}: entry {} at byte {}: its body does not match its "
                                       "checksum",
                                       log.file->path(), entry, (*log.index)[entry].position));
        }
    }
}

}  // namespace

void add_subject_options(CLI::App& command, SubjectOptions& options, bool range)
{
    command.add_option("LOG", options.log.log, "The log: a file or a block device")->required();
    command.add_flag("--no-index", options.log.no_index, "Neither read nor write LOG.idx");
    command.add_option("--base", options.base, "SPEC: what the device held before the log");
    add_size_option(command, "--size", options.size, "How large the device is, in bytes");
    command.add_flag("--keep-discards", options.keep_discards,
                     "Discarded ranges keep their content, instead of becoming zeroes");
    if (!range) {
        return;
    }
    command.add_option("--from", options.from,
                       "POINT: all that is before is there; default: the beginning");
    command.add_option("--to", options.to, "POINT: nothing after it; default: end");
}

void add_check_options(CLI::App& command, CheckOptions& options)
{
    command.add_option("--check", options.check,
                       "A command; exit status 0: good, 125: skip, 1 to 124: bad.  {dev} is the "
                       "state as a file, {uri} as an NBD export, {state} its name, {mark} its "
                       "last mark");
    command.add_option("--oracle", options.oracle,
                       "A command that decides whether what was promised at {mark} is there");
    command
        .add_option_function<std::string>(
            "--promise",
            [&options](const std::string& text) {
                options.promise = text == "set" ? Promise::set : Promise::durable;
            },
            "{mark} is the last mark before which nothing is missing (durable), or the last that "
            "was set (set)")
        ->check(CLI::IsMember({"durable", "set"}));
    add_duration_option(command, "--timeout", options.timeout, longest_check,
                        "How long a command may take; default: 60s");
}

void require_check(const CheckOptions& options)
{
    if (options.check.empty() && options.oracle.empty()) {
        throw ToolError("--check or --oracle is needed: the command that decides, such as --check "
                        "'e2fsck -fn {dev}'");
    }
    FuseFile::require();
}

Subject::Subject(const SubjectOptions& options)
    : options_(options), log_(open_whole_log(options.log)),
      timeline_(std::make_shared<Timeline>(log_.file, log_.index, discard())),
      opened_base_(open_base(options.base)), base_(opened_base_.device())
{
    from_ = options.from.empty() ? 0 : resolve_point(*log_.index, options.from);
    to_ = options.to.empty() ? log_.index->size() : resolve_point(*log_.index, options.to);
    if (to_ < from_) {
        throw ToolError(fmt::format("--from {} is entry {}, behind --to {}, which is entry {}",
                                    options.from.empty() ? "0" : options.from, from_,
                                    options.to.empty() ? "end" : options.to, to_));
    }
    if (log_.index->size() == 0) {
        throw ToolError(fmt::format("{}: the log has no entries, so there is nothing to explore",
                                    log_.file->path()));
    }
    check_all_bodies(log_, to_);
    const DeviceSize size = device_size(log_, options.size, base_.get());
    // What the log reaches is not all that there was; logreplay rounds the same.
    size_ = size.exact || base_ ? size.bytes
                                : (size.bytes + device_block - 1) / device_block * device_block;
    if (size_ == 0) {
        throw ToolError(fmt::format("{}: nothing says how large the device is; give --size",
                                    log_.file->path()));
    }
}

Subject::Subject(const Subject& first, const std::string& state, std::shared_ptr<Device> base,
                 const std::string& path, const std::string& shown)
    : options_([&] {
          SubjectOptions options;
          options.log.log = shown;
          options.base = "[ nbdkit " + first.server(state) + " ]";
          options.keep_discards = first.options_.keep_discards;
          return options;
      }()),
      log_(open_whole_log({path, false, true})),
      timeline_(std::make_shared<Timeline>(log_.file, log_.index, discard())),
      base_(std::move(base)), size_(first.size()), to_(log_.index->size())
{
}

Discard Subject::discard() const
{
    return options_.keep_discards ? Discard::keep : Discard::zero;
}

std::shared_ptr<Device> Subject::device(ContentMap map) const
{
    return state_device(log_, base_, std::move(map), size_);
}

StateToCheck Subject::to_check(const State& state, Promise promise, ContentMap map) const
{
    return {to_string(*log_.index, state), last_mark(*log_.index, state, promise),
            device(std::move(map))};
}

std::string Subject::serving_command(const std::string& state) const
{
    return "nbdkit -U disk.sock " + server(state);
}

/// nbdkit's plugin and its parameters.
std::string Subject::server(const std::string& state) const
{
    std::string command = "logreplay " + quoted(options_.log.log);
    if (!options_.base.empty()) {
        command += " " + quoted("base=" + options_.base);
    }
    if (options_.size != 0) {
        command += fmt::format(" size={}", options_.size);
    }
    if (options_.keep_discards) {
        command += " discard=keep";
    }
    return command + " " + quoted("point=" + state);
}

std::string quoted(const std::string& text)
{
    if (is_plain(text) && text.find('?') == std::string::npos) {
        return text;
    }
    std::string result = "'";
    for (const char character : text) {
        if (character == '\'') {
            result += "'\\''";
        } else {
            result += character;
        }
    }
    return result + "'";
}

void run_interruptible(Stop& stop, const std::function<void()>& work)
{
    sigset_t signals;
    sigset_t before;
    ::sigemptyset(&signals);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
        ::sigaddset(&signals, signal);
    }
    ::pthread_sigmask(SIG_BLOCK, &signals, &before);
    const UniqueFd fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    Stop done;
    std::exception_ptr error;
    std::thread thread = start_thread("work", [&] {
        try {
            work();
        } catch (...) {
            error = std::current_exception();
        }
        done.request();
    });
    for (;;) {
        std::array<pollfd, 2> wait = {pollfd{done.fd(), POLLIN, 0}, pollfd{fd.get(), POLLIN, 0}};
        ::poll(wait.data(), wait.size(), -1);
        if (wait[0].revents != 0) {
            break;
        }
        signalfd_siginfo info;
        while (::read(fd.get(), &info, sizeof info) == sizeof info) {
            stop.request();
        }
    }
    thread.join();
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (error) {
        std::rethrow_exception(error);
    }
}

}  // namespace resilience::nbdcrash
