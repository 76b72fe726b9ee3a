// SPDX-License-Identifier: BSD-3-Clause
#include "filters/logwrites/recorder.h"

#include <cerrno>
#include <utility>

#include "filters/logwrites/marks.h"

namespace resilience::logwrites {

namespace {

/// A request that waits so long for others on the same range fails: they hang.
constexpr std::chrono::seconds patience{60};

}  // namespace

Recorder::Recorder(std::shared_ptr<Device> device, LogWriter& writer, const Options& options,
                   OnMark on_mark)
    : device_(std::move(device)), writer_(writer), options_(options),
      on_mark_(std::move(on_mark)), geometry_{device_->size(), writer.sector_size()},
      zeroes_(writer.sector_size()), ranges_(real_clock())
{
}

Capabilities recorded_capabilities(const Device& device)
{
    Capabilities capabilities = device.capabilities();
    capabilities.trim = capabilities.zero;
    return capabilities;
}

int Recorder::execute(Request& request, std::uint32_t connection)
{
    if (request.op == Op::flush) {
        return writer_.flush(connection, [&] { return device_->execute(request); });
    }
    if (!modifies(request.op)) {
        return device_->execute(request);
    }
    if (request.length == 0) {
        return 0;
    }
    if (request.offset > geometry_.device_size ||
        request.length > geometry_.device_size - request.offset) {
        return request.op == Op::trim ? EINVAL : ENOSPC;
    }
    return change(request, connection);
}

int Recorder::change(Request& request, std::uint32_t connection)
{
    if (request.op != Op::write) {
        return zero_or_trim(request, connection);
    }
    std::string name;
    if (options_.mark_offset && in_mailbox(request, name)) {
        return write_around_mailbox(request, name, connection);
    }
    return write(request, connection);
}

RangeLock::Guard Recorder::lock(const Request& request)
{
    return ranges_.acquire(first_byte(request, geometry_), last_byte(request, geometry_),
                           LockMode::exclusive, std::chrono::steady_clock::now() + patience);
}

int Recorder::write(Request& request, std::uint32_t connection)
{
    const Stamp issued = writer_.issue();
    const RangeLock::Guard guard = lock(request);
    if (!guard) {
        return ETIMEDOUT;
    }
    Padding padding;
    if (const int error = read_padding(*device_, request.offset, request.end(),
                                       geometry_.sector_size, padding)) {
        return error;
    }
    LogItem item = write_item(request, padding, geometry_, connection);
    return carry_out(request, {&item, 1}, issued);
}

int Recorder::zero_or_trim(Request& request, std::uint32_t connection)
{
    const Stamp issued = writer_.issue();
    const RangeLock::Guard guard = lock(request);
    if (!guard) {
        return ETIMEDOUT;
    }
    Padding padding;
    if (const int error = read_padding(*device_, request.offset, request.end(),
                                       geometry_.sector_size, padding)) {
        return error;
    }
    std::vector<LogItem> items = split(request, padding, zeroes_, geometry_, connection);
    if (request.op == Op::trim) {
        request.op = Op::zero;
        request.flags.may_trim = true;
    }
    return carry_out(request, items, issued);
}

int Recorder::carry_out(Request& request, std::span<LogItem> items, const Stamp& issued)
{
    LogWriter::Admission admission;
    if (const int error = writer_.admit(items, admission)) {
        return error;
    }
    if (const int error = device_->execute(request)) {
        return error;
    }
    return writer_.append(admission, items, issued, request.flags.fua);
}

int Recorder::mark(std::string_view name, std::uint32_t connection, std::string_view way,
                   std::uint64_t* entry)
{
    if (refuse_mark(name)) {
        return EINVAL;
    }
    std::uint64_t number = 0;
    if (const int error = writer_.mark(name, connection, false, &number)) {
        return error;
    }
    if (entry != nullptr) {
        *entry = number;
    }
    on_mark_(name, number, way);
    return 0;
}

/// Whether the request puts a mark's text into the mailbox.
bool Recorder::in_mailbox(const Request& request, std::string& name) const
{
    const std::uint64_t at = *options_.mark_offset;
    if (request.offset > at || request.end() < at + mailbox_size) {
        return false;
    }
    const auto text = read_mailbox(request.from.subspan(at - request.offset, mailbox_size));
    if (text) {
        name = *text;
    }
    return text.has_value();
}

// The mark comes last: what the same request wrote beside the mailbox is before
// it, as everything else that the client has sent.
int Recorder::write_around_mailbox(Request& request, const std::string& name,
                                   std::uint32_t connection)
{
    if (refuse_mark(name)) {
        return EINVAL;
    }
    const std::uint64_t at = *options_.mark_offset;
    if (const int error = write_part(request, request.offset, at, connection)) {
        return error;
    }
    if (const int error =
            write_part(request, at + mailbox_size, request.end(), connection)) {
        return error;
    }
    return mark(name, connection, "mailbox");
}

int Recorder::write_part(const Request& request, std::uint64_t begin, std::uint64_t end,
                         std::uint32_t connection)
{
    if (begin == end) {
        return 0;
    }
    Request part = request;
    part.offset = begin;
    part.length = end - begin;
    part.from = request.from.subspan(begin - request.offset, part.length);
    return write(part, connection);
}

}  // namespace resilience::logwrites
