// SPDX-License-Identifier: BSD-3-Clause
// A client of a secondary that knows what it must see.
//
//   replication-client odd SOCKET SEED STEPS EXPORT=MODEL...
//       Random requests of odd sizes, each on one of the exports (`view` is the
//       default export).  Each file MODEL holds what its export holds; reads are
//       compared with it, and it is written back.  Ends with a flush.
//   replication-client command SOCKET KIND [KEY=VALUE...]
//       Sends one command to `control` (of a session of its own, unless
//       session=N is given) and prints the status.
//   replication-client fence SOCKET
//       Whether a write on a connection that is older than a hello is refused.
//   replication-client crash SOCKET DIRECTORY SEED
//       Writes on both exports and makes checkpoints until the server dies; keeps
//       in DIRECTORY what must be seen after its restart.
//   replication-client verify SOCKET DIRECTORY
//       Compares.
//
// Ends with 0 if all is as it must be.

#include <poll.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <libnbd.h>

#include "filters/replication/pair/wire.h"

using namespace resilience::replication;

namespace {

using Bytes = std::vector<std::byte>;

/// The server has gone, or refuses.
class Gone : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

[[noreturn]] void fail(const std::string& text) { throw std::runtime_error(text); }

class Connection {
public:
    Connection(const std::string& socket, const std::string& name)
        : nbd_(nbd_create(), nbd_close)
    {
        nbd_set_strict_mode(nbd_.get(), 0);
        nbd_set_export_name(nbd_.get(), name == "view" ? "" : name.c_str());
        check(nbd_connect_unix(nbd_.get(), socket.c_str()));
    }
    std::uint64_t size() const { return static_cast<std::uint64_t>(nbd_get_size(nbd_.get())); }
    Bytes read(std::uint64_t offset, std::size_t length)
    {
        Bytes bytes(length);
        check(nbd_pread(nbd_.get(), bytes.data(), length, offset, 0));
        return bytes;
    }
    Bytes read_all()
    {
        Bytes all;
        while (all.size() < size()) {
            const Bytes part =
                read(all.size(), std::min<std::size_t>(size() - all.size(), 4 << 20));
            all.insert(all.end(), part.begin(), part.end());
        }
        return all;
    }
    void write(std::uint64_t offset, std::span<const std::byte> from, std::uint32_t flags = 0)
    {
        check(nbd_pwrite(nbd_.get(), from.data(), from.size(), offset, flags));
    }
    void zero(std::uint64_t offset, std::uint64_t length)
    {
        check(nbd_zero(nbd_.get(), length, offset, 0));
    }
    void flush() { check(nbd_flush(nbd_.get(), 0)); }

    /// Several writes in flight together; returns when all were answered.
    void write_many(const std::vector<std::pair<std::uint64_t, Bytes>>& writes)
    {
        unsigned answered = 0;
        bool failed = false;
        struct Waiting {
            unsigned* answered;
            bool* failed;
        } waiting{&answered, &failed};
        for (const auto& [offset, bytes] : writes) {
            nbd_completion_callback done{};
            done.user_data = &waiting;
            done.callback = [](void* user, int* error) {
                auto* w = static_cast<Waiting*>(user);
                ++*w->answered;
                *w->failed = *w->failed || *error != 0;
                return 1;
            };
            if (nbd_aio_pwrite(nbd_.get(), bytes.data(), bytes.size(), offset, done, 0) == -1) {
                throw Gone(nbd_get_error());
            }
        }
        while (answered < writes.size() && nbd_poll(nbd_.get(), 10000) > 0) {
        }
        if (answered < writes.size() || failed) {
            throw Gone("the writes were not answered");
        }
    }

private:
    void check(int result) const
    {
        if (result == -1) {
            throw Gone(nbd_get_error());
        }
    }
    std::unique_ptr<nbd_handle, void (*)(nbd_handle*)> nbd_;
};

// ---- commands ------------------------------------------------------------------

class Controller {
public:
    explicit Controller(const std::string& socket) : connection_(socket, "control") {}
    wire::Status send(wire::Command command)
    {
        command.sequence = ++sequence_;
        connection_.write(0, wire::encode(command));
        const wire::Status status = ask();
        if (status.sequence != command.sequence) {
            fail("the status is not of this command");
        }
        return status;
    }
    wire::Status ask() { return wire::decode_status(connection_.read(0, wire::status_bytes)); }

private:
    Connection connection_;
    std::uint64_t sequence_ = 0;
};

PairId parse_pair(const std::string& text)
{
    PairId pair{};
    for (std::size_t i = 0; i < pair.size(); i++) {
        pair[i] = static_cast<std::byte>(i < text.size() ? text[i] : 0);
    }
    return pair;
}

void print(const wire::Status& s)
{
    fmt::print("refusal={}\ntext={}\nsession={}\nstate={}\nrole={}\npair={}\nepoch={}\nsize={}\n"
               "checkpoint={}\nconsistent={}\nsyncing={}\nneeds-full={}\nwas-primary={}\nerror={}\n"
               "map-bytes={}\n",
               to_string(s.refusal), s.text, s.session, to_string(s.state), to_string(s.role),
               to_string(s.pair), s.epoch, s.device_size, s.checkpoint, s.consistent, s.syncing,
               s.needs_full, s.was_primary, s.error, s.map_bytes);
}

int command(const std::string& socket, const std::vector<std::string>& arguments)
{
    wire::Command command;
    command.pair = parse_pair("pair");
    command.epoch = 1;
    command.device_size = Connection(socket, "primary").size();
    bool found = false;
    for (std::uint32_t kind = 1; kind <= 8; kind++) {
        if (to_string(static_cast<wire::Kind>(kind)) == arguments.at(0)) {
            command.kind = static_cast<wire::Kind>(kind);
            found = true;
        }
    }
    const std::map<std::string, std::uint64_t*> numbers{{"session", &command.session},
                                                        {"epoch", &command.epoch},
                                                        {"size", &command.device_size},
                                                        {"checkpoint", &command.checkpoint},
                                                        {"done", &command.done},
                                                        {"total", &command.total}};
    for (std::size_t i = 1; i < arguments.size(); i++) {
        const auto at = arguments[i].find('=');
        const std::string key = arguments[i].substr(0, at);
        const std::string value = arguments[i].substr(at + 1);
        if (key == "pair") {
            command.pair = parse_pair(value);
        } else if (key == "full") {
            command.flags = wire::flag_full;
        } else if (const auto number = numbers.find(key); number != numbers.end()) {
            *number->second = std::stoull(value);
        } else {
            fail("unknown argument " + key);
        }
    }
    if (!found && arguments[0] != "status") {
        fail("unknown command " + arguments[0]);
    }
    Controller control(socket);
    if (command.kind != wire::Kind::hello && command.session == 0) {
        wire::Command hello = command;
        hello.kind = wire::Kind::hello;
        const wire::Status greeted = control.send(hello);
        if (greeted.refusal != Refusal::none) {
            print(greeted);
            return 0;
        }
        command.session = greeted.session;
    }
    print(found ? control.send(command) : control.ask());
    return 0;
}

wire::Command make(wire::Kind kind, std::uint64_t size, std::uint64_t session)
{
    wire::Command command;
    command.kind = kind;
    command.pair = parse_pair("pair");
    command.epoch = 1;
    command.device_size = size;
    command.session = session;
    return command;
}

wire::Status must(Controller& control, const wire::Command& command)
{
    const wire::Status status = control.send(command);
    if (status.refusal != Refusal::none) {
        fail(fmt::format("{} is refused: {} ({})", wire::to_string(command.kind), status.text,
                         to_string(status.refusal)));
    }
    return status;
}

int fence(const std::string& socket)
{
    Connection before(socket, "primary");
    const Bytes sector(512, std::byte{0x5a});
    Controller control(socket);
    const std::uint64_t size = before.size();
    const auto session = must(control, make(wire::Kind::hello, size, 0)).session;
    must(control, make(wire::Kind::start, size, session));
    Connection after(socket, "primary");
    after.write(0, sector);
    try {
        before.write(4096, sector);
        fail("a write on a connection that is older than the hello was carried out");
    } catch (const Gone&) {
    }
    Controller other(socket);
    const auto second = must(other, make(wire::Kind::hello, size, 0)).session;
    if (second == session) {
        fail("two sessions have one number");
    }
    if (control.send(make(wire::Kind::sync_begin, size, session)).refusal != Refusal::no_session) {
        fail("a command of an older session was carried out");
    }
    try {
        after.write(0, sector);
        fail("a write of an older session was carried out");
    } catch (const Gone&) {
    }
    if (Connection(socket, "primary").read(4096, 512) == sector) {
        fail("what was refused is on the disk");
    }
    return 0;
}

// ---- random requests -----------------------------------------------------------

Bytes load_file(const std::string& path)
{
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        fail(path + " cannot be read");
    }
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    const auto bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
}

void store_file(const std::string& path, std::span<const std::byte> bytes)
{
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    if (!file) {
        fail(path + " cannot be written");
    }
}

using Random = std::mt19937_64;

Bytes random_bytes(Random& random, std::size_t length)
{
    Bytes bytes(length);
    const std::uint64_t seed = random();
    for (std::size_t i = 0; i < length; i++) {
        bytes[i] = static_cast<std::byte>((seed >> (i % 8 * 8)) + i / 512);
    }
    return bytes;
}

void compare(const std::string& name, std::uint64_t offset, std::span<const std::byte> got,
             std::span<const std::byte> expected)
{
    for (std::size_t i = 0; i < expected.size(); i++) {
        if (got[i] != expected[i]) {
            fail(fmt::format("{}: byte {} is {:#x} and must be {:#x}", name, offset + i,
                             std::to_integer<int>(got[i]), std::to_integer<int>(expected[i])));
        }
    }
}

struct Side {
    std::string name;
    std::string path;
    Bytes model;
    std::unique_ptr<Connection> connection;

    void step(Random& random)
    {
        static constexpr std::size_t lengths[] = {1, 3, 511, 512, 513, 4096, 4097, 20000, 50001};
        const std::uint64_t offset = random() % model.size();
        const std::size_t length =
            std::min<std::size_t>(lengths[random() % std::size(lengths)], model.size() - offset);
        const auto here = std::span(model).subspan(offset, length);
        switch (random() % 4) {
        case 0: compare(name, offset, connection->read(offset, length), here); break;
        case 1:
            connection->zero(offset, length);
            std::ranges::fill(here, std::byte{0});
            break;
        default: {
            const Bytes bytes = random_bytes(random, length);
            connection->write(offset, bytes);
            std::ranges::copy(bytes, here.begin());
        }
        }
    }
};

int odd(const std::string& socket, const std::vector<std::string>& arguments)
{
    Random random(std::stoull(arguments.at(0)));
    const unsigned long steps = std::stoul(arguments.at(1));
    std::vector<Side> sides;
    for (std::size_t i = 2; i < arguments.size(); i++) {
        const auto at = arguments[i].find('=');
        Side side;
        side.name = arguments[i].substr(0, at);
        side.path = arguments[i].substr(at + 1);
        side.model = load_file(side.path);
        side.connection = std::make_unique<Connection>(socket, side.name);
        sides.push_back(std::move(side));
    }
    for (unsigned long i = 0; i < steps; i++) {
        sides[random() % sides.size()].step(random);
    }
    for (Side& side : sides) {
        side.connection->flush();
        compare(side.name, 0, side.connection->read_all(), side.model);
        store_file(side.path, side.model);
    }
    return 0;
}

// ---- crashes -------------------------------------------------------------------

/// What must be seen after a restart.
struct Expected {
    std::uint64_t checkpoint = 0;
    Bytes view;                      ///< at this checkpoint, with the own durable writes
    std::uint64_t next = 0;          ///< a checkpoint that was not answered; 0: none
    Bytes next_view;
    std::uint64_t own_offset = 0;    ///< an own write that was not answered
    Bytes own;

    void store(const std::string& directory) const
    {
        store_file(directory + "/view", view);
        store_file(directory + "/next", next_view);
        store_file(directory + "/own", own);
        std::ofstream(directory + "/numbers") << checkpoint << ' ' << next << ' ' << own_offset;
    }
    void load(const std::string& directory)
    {
        view = load_file(directory + "/view");
        next_view = load_file(directory + "/next");
        own = load_file(directory + "/own");
        std::ifstream(directory + "/numbers") >> checkpoint >> next >> own_offset;
    }
};

class Crash {
public:
    Crash(const std::string& socket, std::uint64_t seed) : random_(seed), control_(socket)
    {
        const std::uint64_t size = Connection(socket, "view").size();
        size_ = size;
        const wire::Status greeted = must(control_, make(wire::Kind::hello, size, 0));
        session_ = greeted.session;
        must(control_, make(wire::Kind::start, size, session_));
        primary_ = std::make_unique<Connection>(socket, "primary");
        disk_ = primary_->read_all();
        if (!greeted.consistent) {
            wire::Command begin = make(wire::Kind::sync_begin, size, session_);
            begin.flags = wire::flag_full;
            must(control_, begin);
            must(control_, make(wire::Kind::sync_end, size, session_));
        }
        expected.checkpoint = control_.ask().checkpoint;
        if (!greeted.consistent) {
            checkpoint();
        }
        view_ = std::make_unique<Connection>(socket, "view");
        expected.view = view_->read_all();
    }

    void step()
    {
        const auto what = random_() % 16;
        if (what == 0) {
            checkpoint();
        } else if (what < 3) {
            own_write();
        } else {
            primary_writes();
        }
    }

    Expected expected;

private:
    void checkpoint()
    {
        expected.next = expected.checkpoint + 1;
        expected.next_view = disk_;
        wire::Command command = make(wire::Kind::checkpoint, size_, session_);
        command.checkpoint = expected.next;
        must(control_, command);
        expected.view = std::exchange(expected.next_view, {});
        expected.checkpoint = std::exchange(expected.next, 0);
    }
    void own_write()
    {
        expected.own = random_bytes(random_, 512 * (1 + random_() % 40));
        expected.own_offset = random_() % (size_ - expected.own.size()) / 512 * 512;
        view_->write(expected.own_offset, expected.own, LIBNBD_CMD_FLAG_FUA);
        std::ranges::copy(std::exchange(expected.own, {}),
                          expected.view.begin() +
                              static_cast<std::ptrdiff_t>(expected.own_offset));
    }
    /// They do not overlap, so it does not matter in which order they come.
    void primary_writes()
    {
        std::vector<std::pair<std::uint64_t, Bytes>> writes;
        const std::uint64_t part = size_ / 8 / 512 * 512;
        for (std::uint64_t i = 0; i < 8; i++) {
            const std::size_t length = 512 * (1 + random_() % 60);
            const std::uint64_t offset = i * part + random_() % (part - length) / 512 * 512;
            writes.emplace_back(offset, random_bytes(random_, length));
        }
        primary_->write_many(writes);
        for (const auto& [offset, bytes] : writes) {
            std::ranges::copy(bytes, disk_.begin() + static_cast<std::ptrdiff_t>(offset));
        }
    }

    Random random_;
    Controller control_;
    std::uint64_t size_ = 0;
    std::uint64_t session_ = 0;
    std::unique_ptr<Connection> primary_;
    std::unique_ptr<Connection> view_;
    Bytes disk_;
};

int crash(const std::string& socket, const std::string& directory, std::uint64_t seed)
{
    Crash crash(socket, seed);
    unsigned long steps = 0;
    try {
        for (;;) {
            crash.step();
            steps++;
            if (steps == 3) {
                std::ofstream(directory + "/begun") << "yes";
            }
        }
    } catch (const Gone& gone) {
        fmt::print("{} steps, checkpoint {}{}: {}\n", steps, crash.expected.checkpoint,
                   crash.expected.next != 0 ? " (another not answered)" : "", gone.what());
    }
    crash.expected.store(directory);
    return 0;
}

int verify(const std::string& socket, const std::string& directory)
{
    Expected expected;
    expected.load(directory);
    const std::uint64_t checkpoint = Controller(socket).ask().checkpoint;
    if (checkpoint != expected.checkpoint &&
        (expected.next == 0 || checkpoint != expected.next)) {
        fail(fmt::format("the checkpoint is {} and must be {}", checkpoint, expected.checkpoint));
    }
    const Bytes& view = checkpoint == expected.checkpoint ? expected.view : expected.next_view;
    const Bytes got = Connection(socket, "view").read_all();
    for (std::size_t i = 0; i < view.size(); i++) {
        const bool own = checkpoint == expected.checkpoint && i >= expected.own_offset &&
                         i < expected.own_offset + expected.own.size();
        if (got[i] != view[i] && !(own && got[i] == expected.own[i - expected.own_offset])) {
            fail(fmt::format("byte {} is {:#x} and must be {:#x} (checkpoint {})", i,
                             std::to_integer<int>(got[i]), std::to_integer<int>(view[i]),
                             checkpoint));
        }
    }
    fmt::print("checkpoint {} is as it was\n", checkpoint);
    return 0;
}

}  // namespace

int main(int argc, char** argv)
try {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    const std::string& what = arguments.at(0);
    const std::string& socket = arguments.at(1);
    const std::vector<std::string> rest(arguments.begin() + 2, arguments.end());
    if (what == "odd") {
        return odd(socket, rest);
    }
    if (what == "command") {
        return command(socket, rest);
    }
    if (what == "fence") {
        return fence(socket);
    }
    if (what == "crash") {
        return crash(socket, rest.at(0), std::stoull(rest.at(1)));
    }
    if (what == "verify") {
        return verify(socket, rest.at(0));
    }
    fail("unknown: " + what);
} catch (const std::exception& error) {
    fmt::print(stderr, "replication-client: {}\n", error.what());
    return 1;
}
