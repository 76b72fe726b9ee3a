// SPDX-License-Identifier: BSD-3-Clause
#include <unistd.h>

#include <algorithm>
#include <thread>

#include <fmt/format.h>

#include "common/control/json.h"
#include "tools/common/progress_line.h"
#include "tools/common/render.h"
#include "tools/nbdctl/commands.h"

namespace resilience::nbdctl {

namespace {

constexpr auto reply_limit = std::chrono::seconds(60);

/// How far the resyncs (or streams) of one answer are, all together.
struct Progress {
    std::uint64_t total = 0;      ///< bytes
    std::uint64_t done = 0;
    std::uint64_t remaining = 0;
    std::string children;         ///< those that are not done, for people
    std::string failed;           ///< the first child that will not get further: how, for people
    std::string differs;          ///< the first one that is not equal with nothing left to be copied
    std::string held_up;          ///< the first one that is not copied to now: how, for people
    bool finished = true;         ///< nothing remains, all are there, what was copied is durable
};

/// Prints progress: on a terminal one line that is drawn again and again, else
/// a line for each change.
class Display {
public:
    explicit Display(bool show) : show_(show), terminal_(::isatty(STDOUT_FILENO) == 1) {}
    /// Leaves the cursor on a line of its own.
    ~Display()
    {
        if (drawn_) {
            std::fputs("\n", stdout);
        }
    }
    void update(const std::string& bar, const std::string& text)
    {
        if (!show_ || text == last_) {
            return;
        }
        last_ = text;
        if (!terminal_) {
            print(text + "\n");
            return;
        }
        std::string line = bar + text;
        line.resize(std::min<std::size_t>(line.size(), tools::terminal_columns(STDOUT_FILENO) - 1));
        print("\r" + line + "\x1b[K");
        drawn_ = true;
    }

private:
    bool show_;
    bool terminal_;
    bool drawn_ = false;
    std::string last_;
};

/// The work that a server can show progress of: "resync" or "stream".
std::string long_work(QmpClient& client, Clock::time_point deadline)
{
    for (const Json& command : client.execute("query-commands", Json::object(), deadline)) {
        if (command.value("name", "") == "query-stream") {
            return "stream";
        }
    }
    return "resync";
}

/// How the work on a child is, with the server's reason if it gives one.
std::string in_words(const Json& one, const std::string& what)
{
    const std::string child = tools::printable(one.at("child").get<std::string>());
    const std::string state = tools::printable(one.at("state").get<std::string>());
    const std::string reason = tools::printable(one.value("reason", ""));
    const std::string verb = state == "failed"                         ? "has"
                             : state == "cancelled" || state == "stopped" ? "was"
                                                                          : "is";
    const std::string text = state == "differs"
                                 ? fmt::format("{} is not equal to the others", child)
                                 : fmt::format("the {} of {} {} {}", what, child, verb, state);
    return reason.empty() ? text : text + ": " + reason;
}

/// Whether only a person can make it go on.
bool is_given_up(const std::string& state)
{
    return state == "cancelled" || state == "stopped" || state == "off" || state == "paused" ||
           state == "foreign";
}

/// Reads an answer of query-resync or query-stream: an array of {child, state,
/// total-bytes, done-bytes, remaining-bytes, perhaps reason}.  Throws ToolError for anything else.
/// `what` is the word for it: "resync" or "stream".
Progress read_progress(const Json& answer, const std::string& what)
try {
    Progress all;
    for (const Json& one : answer) {
        const std::uint64_t remaining = one.at("remaining-bytes").get<std::uint64_t>();
        const std::string child = one.at("child").get<std::string>();
        all.total += one.at("total-bytes").get<std::uint64_t>();
        all.done += one.at("done-bytes").get<std::uint64_t>();
        all.remaining += remaining;
        const std::string state = one.at("state").get<std::string>();
        // A resync whose last byte is copied still runs: the child must flush.
        // One that waits for its child is not over, though that may miss nothing.
        const bool held_up = state == "waiting" || state == "blocked";
        if (remaining > 0 || state == "running" || held_up) {
            all.finished = false;
            all.children += (all.children.empty() ? "" : ", ") + tools::printable(child);
        }
        if (all.failed.empty() &&
            (state == "failed" || (remaining > 0 && is_given_up(state)))) {
            all.failed = in_words(one, what);
        } else if (all.differs.empty() && state == "differs") {
            all.differs = in_words(one, what);
        } else if (all.held_up.empty() && held_up) {
            all.held_up = in_words(one, what);
        }
    }
    return all;
} catch (const Json::exception&) {
    throw ToolError(Exit::connection,
                    fmt::format("query-{}: the server's answer cannot be understood: {}", what,
                                tools::printable(to_line(answer))));
}

}  // namespace

void run_progress(const Options& options, bool show)
{
    no_words(options);
    const auto stall_limit = options.limit(reply_limit);
    const auto interval = std::chrono::milliseconds(static_cast<int>(options.interval * 1000));
    QmpClient client(options.socket, Clock::now() + stall_limit);
    const std::string what = long_work(client, Clock::now() + stall_limit);
    Display display(show);
    tools::Speed speed;
    std::optional<std::uint64_t> best;  // the least that remained so far
    auto moved = Clock::now();
    while (true) {
        const Progress now = read_progress(
            client.execute("query-" + what, Json::object(), Clock::now() + stall_limit), what);
        if (!now.failed.empty()) {
            throw ToolError(Exit::refused, now.failed);
        }
        if (now.finished && !now.differs.empty()) {
            throw ToolError(Exit::refused, now.differs);
        }
        if (now.finished) {
            display.update(tools::progress_bar(1, 1, 20),
                           what == "resync" ? "in sync" : "complete");
            return;
        }
        // New writes make more to do; only getting nearer to the end counts.
        if (!best || now.remaining < *best) {
            best = now.remaining;
            moved = Clock::now();
        }
        display.update(tools::progress_bar(now.done, now.total, 20),
                       now.children + ": " +
                           tools::progress_amount(now.done, now.total, now.remaining,
                                                  speed.update(now.done, Clock::now())));
        if (Clock::now() - moved >= stall_limit) {
            throw ToolError(Exit::timeout,
                            fmt::format("the {} of {} has got no nearer to its end for {} s{}{}",
                                        what, now.children, stall_limit.count() / 1000.0,
                                        now.held_up.empty() ? "" : ": ", now.held_up));
        }
        std::this_thread::sleep_for(std::min(interval, stall_limit));
    }
}

}  // namespace resilience::nbdctl
