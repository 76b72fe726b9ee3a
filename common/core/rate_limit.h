// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Limits a stream of messages to one per interval and key, and loses nothing
// that still matters.
//
// A broken child can fail thousands of requests a second, and each failure is
// an event.  The first one must be seen at once; of those that follow, only
// the newest is worth keeping, because it tells the present state.  This is
// the rule of QEMU's monitor, whose users rely on it:
//
//   - the first message of a key passes at once and opens a window;
//   - messages inside the window are kept, each replacing the one before;
//   - when the window ends and a message was kept, it passes then, and a new
//     window opens; when none was kept, the key is forgotten.
//
// There is no clock and no thread in here: every call is given the time, and
// its owner calls take_due() when next_deadline() has come.  An owner that is
// late, or that never comes, loses no more than punctuality: a message that
// arrives after the end of a window passes at once, in place of the kept one.

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace resilience {

/// One limiter for any number of keys.  Not thread-safe.  Memory: one entry
/// per key that was used within the last interval (if take_due() is called).
template <typename Payload>
class RateLimit {
public:
    using TimePoint = std::chrono::steady_clock::time_point;
    using Duration = std::chrono::steady_clock::duration;

    /// `interval` > 0: the length of a window.
    explicit RateLimit(Duration interval = std::chrono::seconds(1)) : interval_(interval) {}

    /// A message has come.  Returns it if it is to be sent now; else it is
    /// kept, in place of any other that was kept for this key.
    std::optional<Payload> offer(const std::string& key, Payload payload, TimePoint now)
    {
        auto [it, is_new] = windows_.try_emplace(key);
        Window& window = it->second;
        if (!is_new && now < window.end) {
            window.kept = std::move(payload);
            return std::nullopt;
        }
        window.kept.reset();
        window.end = now + interval_;
        return payload;
    }

    /// The messages whose window has ended by `now`, in the order in which
    /// the windows ended.  Each opens a new window, from `now`.
    std::vector<Payload> take_due(TimePoint now)
    {
        std::vector<std::pair<TimePoint, Payload>> due;
        for (auto it = windows_.begin(); it != windows_.end();) {
            Window& window = it->second;
            if (now < window.end) {
                ++it;
            } else if (!window.kept) {
                it = windows_.erase(it);
            } else {
                due.emplace_back(window.end, std::move(*window.kept));
                window.kept.reset();
                window.end = now + interval_;
                ++it;
            }
        }
        std::stable_sort(due.begin(), due.end(),
                         [](const auto& a, const auto& b) { return a.first < b.first; });
        std::vector<Payload> payloads;
        for (auto& [end, payload] : due) {
            payloads.push_back(std::move(payload));
        }
        return payloads;
    }

    /// When take_due() has something to do next; nullopt while no window is open.
    std::optional<TimePoint> next_deadline() const
    {
        std::optional<TimePoint> next;
        for (const auto& [key, window] : windows_) {
            next = next ? std::min(*next, window.end) : window.end;
        }
        return next;
    }

private:
    struct Window {
        TimePoint end{};
        std::optional<Payload> kept;  ///< the newest message since the window opened
    };

    Duration interval_;
    std::map<std::string, Window> windows_;
};

}  // namespace resilience
