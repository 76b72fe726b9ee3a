// SPDX-License-Identifier: BSD-3-Clause
#include "common/control/json_stream.h"

#include <fmt/format.h>

namespace resilience {

namespace {

constexpr unsigned char reset_byte = 0xff;

bool is_space(unsigned char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

std::string explain(StreamProblem problem, std::size_t message_bytes)
{
    switch (problem) {
    case StreamProblem::too_deep:
        return fmt::format("The message is nested more than {} levels deep, which is the limit",
                           JsonStream::max_depth);
    case StreamProblem::too_many:
        return fmt::format("The message has more than {} members, which is the limit",
                           JsonStream::max_members);
    case StreamProblem::too_long:
        return fmt::format("The message is longer than {} bytes, which is the limit; "
                           "the connection is closed", message_bytes);
    default:
        return "Invalid JSON syntax";
    }
}

}  // namespace

void JsonStream::feed(std::string_view bytes, std::vector<StreamItem>& items)
{
    for (char byte : bytes) {
        if (state_ == State::ended) {
            return;
        }
        take(static_cast<unsigned char>(byte), items);
        if (message_.size() > message_bytes_) {
            fail(StreamProblem::too_long, 0, items);
        }
    }
}

void JsonStream::finish(std::vector<StreamItem>& items)
{
    if (state_ == State::value || state_ == State::string || state_ == State::escape) {
        fail(StreamProblem::syntax, 0, items);
    }
    message_ = std::string();
    state_ = State::ended;
}

void JsonStream::take(unsigned char byte, std::vector<StreamItem>& items)
{
    switch (state_) {
    case State::between:
        take_between(byte, items);
        break;
    case State::value:
        take_value(byte, items);
        break;
    case State::string:
    case State::escape:
        take_string(byte, items);
        break;
    case State::skip_line:
        if (byte == '\n' || byte == reset_byte) {
            state_ = State::between;
        }
        break;
    case State::ended:
        break;
    }
}

void JsonStream::take_between(unsigned char byte, std::vector<StreamItem>& items)
{
    if (byte == '{' || byte == '[') {
        state_ = State::value;
        open(byte, items);
    } else if (!is_space(byte) && byte != reset_byte) {
        fail(StreamProblem::syntax, byte, items);
    }
}

void JsonStream::take_value(unsigned char byte, std::vector<StreamItem>& items)
{
    if (byte == '{' || byte == '[') {
        open(byte, items);
    } else if (byte == '}' || byte == ']') {
        if (brackets_.back() != static_cast<char>(byte)) {
            fail(StreamProblem::syntax, byte, items);
            return;
        }
        brackets_.pop_back();
        message_.push_back(static_cast<char>(byte));
        if (brackets_.empty() && message_.size() <= message_bytes_) {  // else: see feed()
            items.push_back({StreamProblem::none, std::move(message_)});
            message_ = std::string();
            members_ = 0;
            state_ = State::between;
        }
    } else if (byte == '"' || byte == '\'') {
        quote_ = byte;
        message_.push_back('"');
        state_ = State::string;
    } else if (byte == ',' && ++members_ >= max_members) {
        fail(StreamProblem::too_many, byte, items);
    } else if (byte > 0x7e || (byte < 0x20 && !is_space(byte))) {
        fail(StreamProblem::syntax, byte, items);
    } else {
        message_.push_back(static_cast<char>(byte));
    }
}

void JsonStream::take_string(unsigned char byte, std::vector<StreamItem>& items)
{
    if (byte < 0x20 || byte == reset_byte) {
        // Not allowed in a string; most likely a quote was forgotten.
        fail(StreamProblem::syntax, byte, items);
    } else if (state_ == State::escape) {
        if (byte != '\'') {  // the one escape that JSON does not have
            message_.push_back('\\');
        }
        message_.push_back(static_cast<char>(byte));
        state_ = State::string;
    } else if (byte == '\\') {
        state_ = State::escape;
    } else if (byte == quote_) {
        message_.push_back('"');
        state_ = State::value;
    } else {
        if (byte == '"') {
            message_.push_back('\\');
        }
        message_.push_back(static_cast<char>(byte));
    }
}

void JsonStream::open(unsigned char bracket, std::vector<StreamItem>& items)
{
    if (brackets_.size() >= max_depth) {
        fail(StreamProblem::too_deep, bracket, items);
        return;
    }
    brackets_.push_back(bracket == '{' ? '}' : ']');
    message_.push_back(static_cast<char>(bracket));
}

/// Reports a problem, forgets the message, and goes on after this line.
void JsonStream::fail(StreamProblem problem, unsigned char at, std::vector<StreamItem>& items)
{
    items.push_back({problem, explain(problem, message_bytes_)});
    message_ = std::string();
    brackets_.clear();
    members_ = 0;
    if (problem == StreamProblem::too_long) {
        state_ = State::ended;
    } else if (at == '\n' || at == reset_byte) {
        state_ = State::between;
    } else {
        state_ = State::skip_line;
    }
}

}  // namespace resilience
