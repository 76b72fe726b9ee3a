// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Cuts a stream of bytes into JSON messages.
//
// QMP has no framing: a message ends where its outermost bracket closes, one
// line may hold several, and one may span lines and reads.  So brackets have
// to be counted, outside of strings, before a parser can be asked.  This is
// also the place where a client's demands are limited, because what comes out
// of here is held in memory and parsed:
//
//   - a message has a greatest length, so that garbage that never closes a
//     bracket cannot fill the memory;
//   - a message has a greatest depth, because JSON values are copied, printed
//     and compared recursively;
//   - a message has a greatest number of members, because looking one up in an
//     object takes time in proportion to their number.
//
// After an error the rest of the line is skipped, so that a person who
// mistypes can go on at the next one.  The byte 0xFF, which no JSON has,
// discards an unfinished message, as in QEMU.  As in QEMU too, strings may
// have single quotes; they come out with double ones.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace resilience {

/// What is wrong with a piece of the stream.
enum class StreamProblem : std::uint8_t { none, syntax, too_deep, too_many, too_long };

/// One message, or the place of something that is none.
struct StreamItem {
    StreamProblem problem = StreamProblem::none;
    std::string text;  ///< none: the message; else what to tell the client
};

/// The cutter.  Not thread-safe.  Holds at most `message_bytes` of memory.
class JsonStream {
public:
    static constexpr std::size_t max_depth = 100;
    static constexpr std::size_t max_members = 10000;

    explicit JsonStream(std::size_t message_bytes = 1024 * 1024) : message_bytes_(message_bytes) {}

    /// Takes the next bytes and appends what is complete to `items`.  After a
    /// too_long, which cannot be recovered from, it ignores everything.
    void feed(std::string_view bytes, std::vector<StreamItem>& items);

    /// The end of the stream: an unfinished message is a syntax error.
    void finish(std::vector<StreamItem>& items);

private:
    enum class State : std::uint8_t { between, value, string, escape, skip_line, ended };

    void take(unsigned char byte, std::vector<StreamItem>& items);
    void take_between(unsigned char byte, std::vector<StreamItem>& items);
    void take_value(unsigned char byte, std::vector<StreamItem>& items);
    void take_string(unsigned char byte, std::vector<StreamItem>& items);
    void open(unsigned char bracket, std::vector<StreamItem>& items);
    void fail(StreamProblem problem, unsigned char at, std::vector<StreamItem>& items);

    std::size_t message_bytes_;
    State state_ = State::between;
    std::string message_;
    std::string brackets_;     ///< the closing ones that are awaited, innermost last
    std::size_t members_ = 0;  ///< commas so far
    unsigned char quote_ = '"';
};

}  // namespace resilience
