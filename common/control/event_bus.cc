// SPDX-License-Identifier: BSD-3-Clause
#include "common/control/event_bus.h"

#include <map>
#include <mutex>
#include <utility>

#include "common/control/event.h"
#include "common/core/rate_limit.h"

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

struct EventBus::State {
    struct Sink {
        Listener listener;
        Waker waker;
    };

    std::mutex mutex;
    RateLimit<Event> limit;
    std::map<int, Sink> sinks;
    int next_number = 1;

    void deliver(const Event& event);
    void run_due(TimePoint now);
};

EventBus::EventBus() : state_(std::make_unique<State>()) {}

EventBus::~EventBus() = default;

void EventBus::emit(std::string name, Json data, std::string throttle_key)
{
    Event event{std::move(name), std::move(data), std::chrono::system_clock::now()};
    std::lock_guard lock(state_->mutex);
    const TimePoint now = std::chrono::steady_clock::now();
    state_->run_due(now);
    if (throttle_key.empty()) {
        state_->deliver(event);
        return;
    }
    std::string key = event.name + '\0' + throttle_key;
    if (auto passed = state_->limit.offer(key, std::move(event), now)) {
        state_->deliver(*passed);
        for (const auto& [number, sink] : state_->sinks) {
            if (sink.waker) {
                sink.waker();
            }
        }
    }
}

int EventBus::add_listener(Listener listener, Waker waker)
{
    std::lock_guard lock(state_->mutex);
    const int number = state_->next_number++;
    state_->sinks.emplace(number, State::Sink{std::move(listener), std::move(waker)});
    return number;
}

void EventBus::remove_listener(int number)
{
    std::lock_guard lock(state_->mutex);
    state_->sinks.erase(number);
}

std::optional<EventBus::TimePoint> EventBus::next_deadline() const
{
    std::lock_guard lock(state_->mutex);
    return state_->limit.next_deadline();
}

void EventBus::run_due(TimePoint now)
{
    std::lock_guard lock(state_->mutex);
    state_->run_due(now);
}

void EventBus::State::run_due(TimePoint now)
{
    for (const Event& event : limit.take_due(now)) {
        deliver(event);
    }
}

void EventBus::State::deliver(const Event& event)
{
    for (const auto& [number, sink] : sinks) {
        if (sink.listener) {
            sink.listener(event);
        }
    }
}

}  // namespace resilience
