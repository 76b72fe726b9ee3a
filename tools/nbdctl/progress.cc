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
    bool finished = true;         ///< nothing remains, and what was copied is durable
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

/// Reads an answer of query-resync or query-stream: an array of {child, state,
/// total-bytes, done-bytes, remaining-bytes}.  Throws ToolError for anything else.
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
        if (remaining > 0 || state == "running") {
            all.finished = false;
            all.children += (all.children.empty() ? "" : ", ") + tools::printable(child);
        }
        if (all.failed.empty() && state == "failed") {
            all.failed = fmt::format("the {} of {} has failed", what, tools::printable(child));
        } else if (all.failed.empty() && remaining > 0 &&
                   (state == "cancelled" || state == "stopped" || state == "off")) {
            all.failed = fmt::format("the {} of {} was {}", what, tools::printable(child), state);
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
                            fmt::format("the {} of {} has got no nearer to its end for {} s",
                                        what, now.children, stall_limit.count() / 1000.0));
        }
        std::this_thread::sleep_for(std::min(interval, stall_limit));
    }
}

}  // namespace resilience::nbdctl
