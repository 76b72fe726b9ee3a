// SPDX-License-Identifier: BSD-3-Clause
#include "common/control/event_bus.h"

namespace resilience {

Json Event::to_json() const
{
    const auto since = std::chrono::duration_cast<std::chrono::microseconds>(
        time.time_since_epoch()).count();
    Json json = {{"event", name}};
    if (!data.is_null() && !data.empty()) {
        json["data"] = data;
    }
    json["timestamp"] = {{"seconds", since / 1000000}, {"microseconds", since % 1000000}};
    return json;
}

void EventBus::emit(std::string name, Json data, std::string throttle_key)
{
    Event event{std::move(name), std::move(data), std::chrono::system_clock::now()};
    std::lock_guard lock(mutex_);
    const TimePoint now = std::chrono::steady_clock::now();
    run_due_locked(now);
    if (throttle_key.empty()) {
        deliver(event);
        return;
    }
    std::string key = event.name + '\0' + throttle_key;
    if (auto passed = limit_.offer(key, std::move(event), now)) {
        deliver(*passed);
        for (const auto& [number, sink] : sinks_) {
            if (sink.waker) {
                sink.waker();
            }
        }
    }
}

int EventBus::add_listener(Listener listener, Waker waker)
{
    std::lock_guard lock(mutex_);
    const int number = next_number_++;
    sinks_.emplace(number, Sink{std::move(listener), std::move(waker)});
    return number;
}

void EventBus::remove_listener(int number)
{
    std::lock_guard lock(mutex_);
    sinks_.erase(number);
}

std::optional<EventBus::TimePoint> EventBus::next_deadline() const
{
    std::lock_guard lock(mutex_);
    return limit_.next_deadline();
}

void EventBus::run_due(TimePoint now)
{
    std::lock_guard lock(mutex_);
    run_due_locked(now);
}

void EventBus::run_due_locked(TimePoint now)
{
    for (const Event& event : limit_.take_due(now)) {
        deliver(event);
    }
}

void EventBus::deliver(const Event& event)
{
    for (const auto& [number, sink] : sinks_) {
        if (sink.listener) {
            sink.listener(event);
        }
    }
}

}  // namespace resilience
