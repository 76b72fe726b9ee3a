// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Many requests at the same time on a small area, over several connections to
// one NBD server, and a history of every sector.
//
// Each sector that is written bears the number of its write, so a read tells
// exactly which writes it has seen.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <libnbd.h>

#include "tests/clients/history.h"

namespace resilience::test {

inline constexpr std::uint64_t sector_bytes = 512;

struct LoadOptions {
    std::string uri;
    unsigned connections = 2;
    unsigned depth = 8;                 ///< requests in flight, per connection
    std::uint64_t offset = 0;           ///< of the area, bytes
    std::uint64_t size = 1 << 20;       ///< of the area, bytes
    std::uint64_t largest = 64 << 10;   ///< request, bytes
    std::uint64_t requests = 10000;     ///< 0: until the time is over
    double seconds = 0;                 ///< 0: until the requests are done
    double answer_within = 60;          ///< a request that takes longer hangs
    std::uint64_t seed = 1;
    bool allow_errors = false;
    bool flushes = true;                ///< also flush, and write with FUA, now and then
    bool allow_disconnect = false;
    unsigned read_percent = 40;
};

/// Something that must not happen; the text is for people.
struct Violation {
    std::string text;
};

class Load {
public:
    explicit Load(const LoadOptions& options);
    ~Load();
    Load(const Load&) = delete;
    Load& operator=(const Load&) = delete;

    /// Zeroes the area, sends the load, waits for all answers, flushes and
    /// reads everything once.  Throws Violation for a hang, an error that is
    /// not allowed, a torn sector.
    void run();
    /// Judges all that has been seen.  Throws Violation with the history.
    void check() const;

    std::string summary() const;

private:
    enum class Kind : std::uint8_t { read, write, zero, trim, flush };
    struct Connection {
        nbd_handle* handle = nullptr;
        unsigned in_flight = 0;
        bool alive = true;
    };
    struct Operation {
        Load* load;
        Connection* connection;
        Kind kind;
        Value value = 0;
        std::uint64_t first = 0;  ///< sector of the area
        std::uint64_t count = 0;  ///< sectors
        Moment start = 0;
        double sent_at = 0;
        std::vector<std::byte> buffer;
    };

    void connect();
    void prepare_area();
    void send_random(Connection& connection);
    void send(Connection& connection, Kind kind, std::uint64_t first, std::uint64_t count,
              std::uint32_t flags);
    int submit(nbd_handle* handle, Operation& operation, std::uint32_t flags);
    static int completed(void* opaque, int* error);
    void finish(Operation& operation, int error);
    void note_sectors(const Operation& operation, bool failed);
    Value read_stamp(const Operation& operation, std::uint64_t index);
    void poll_once();
    void drain();
    void serve(Connection& connection, int events);
    void read_back();
    void lose(Connection& connection);
    unsigned alive() const;

    const LoadOptions options_;
    std::mt19937_64 random_;
    std::vector<Connection> connections_;
    std::vector<std::unique_ptr<Operation>> in_flight_;
    std::vector<SectorHistory> sectors_;
    std::string failure_;  ///< found in a callback, thrown by the loop
    Moment now_ = 0;
    Value next_value_ = 1;
    std::uint64_t sent_ = 0;
    std::uint64_t errors_ = 0;
    double slowest_ = 0;
    std::array<std::uint64_t, 5> done_{};
};

}  // namespace resilience::test
