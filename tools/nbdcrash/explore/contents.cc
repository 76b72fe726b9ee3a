// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdcrash/explore/contents.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

#include <fmt/format.h>
#include <xxhash.h>

#include "common/core/compare.h"
#include "common/replay/state_device.h"
#include "tools/nbdcrash/tool_error.h"

namespace resilience::nbdcrash {

using namespace writelog;

namespace {

constexpr std::uint64_t buffer_size = 1 << 20;

ContentValue hash(std::span<const std::byte> sector, std::uint64_t number)
{
    const XXH128_hash_t value = XXH3_128bits_withSeed(sector.data(), sector.size(), number);
    return {value.low64, value.high64};
}

}  // namespace

ContentValue& ContentValue::operator+=(const ContentValue& other)
{
    low += other.low;
    high += other.high;
    return *this;
}

ContentValue& ContentValue::operator-=(const ContentValue& other)
{
    low -= other.low;
    high -= other.high;
    return *this;
}

ContentValue value_of_mark(std::string_view name)
{
    const std::uint64_t hash = XXH3_64bits(name.data(), name.size());
    return {hash, ~hash};
}

std::size_t Contents::KeyHash::operator()(const Key& key) const
{
    return XXH3_64bits(&key, sizeof key);
}

Contents::Contents(std::shared_ptr<const Timeline> timeline, std::shared_ptr<Device> base,
                   std::uint64_t from, std::uint64_t to)
    : timeline_(std::move(timeline)), base_(std::move(base)), to_(to),
      sector_size_(timeline_->log().sector_size()), next_epoch_(from), buffer_(buffer_size)
{
}

StateContent Contents::of(const State& state)
{
    StateContent content;
    content.epoch = epochs_from(first_missing(state), state.entries);
    content.map = timeline_->at(state);
    content.device = content.epoch->device;
    for (std::size_t i = 0; i < content.epoch->places.size(); i++) {
        content.values.push_back(value(content.map, content.epoch->places[i]));
        content.device += content.values.back();
        content.device -= content.epoch->before[i];
    }
    return content;
}

ContentValue Contents::value_over(const ContentMap& map, Device& device) const
{
    ContentValue sum;
    std::vector<std::byte> sector(sector_size_);
    std::uint64_t done = 0;  // bytes
    for (const Piece& piece : map.pieces()) {
        std::uint64_t at = std::max(done, piece.offset / sector_size_ * sector_size_);
        for (; at < piece.end(); at += sector_size_) {
            Request request;
            request.op = Op::read;
            request.offset = at;
            request.length = std::min<std::uint64_t>(sector_size_, device.size() - at);
            std::ranges::fill(sector, std::byte{0});
            request.into = std::span(sector).first(request.length);
            require(device, request);
            if (base_ != nullptr || !is_all_zero(sector)) {
                sum += hash(sector, at / sector_size_);
            }
        }
        done = at;
    }
    return sum;
}

/// What a state may differ in that lacks nothing before entry `first`.
std::shared_ptr<const EpochPlaces> Contents::epochs_from(std::uint64_t first,
                                                         std::uint64_t entries)
{
    const auto last = epoch_at(entries);
    if (first >= last->begin) {
        return last;
    }
    const auto begin = std::prev(epochs_.upper_bound(first))->second;
    auto& wide = wide_[{begin->begin, last->end}];
    if (!wide) {
        const auto places = places_of(begin->begin, last->end);
        places->device = begin->device;
        const ContentMap before = timeline_->at(begin->begin);
        for (const ByteRange& place : places->places) {
            places->before.push_back(value(before, place));
        }
        wide = places;
    }
    return wide;
}

/// The epoch in which the first `entries` entries end.
std::shared_ptr<const EpochPlaces> Contents::epoch_at(std::uint64_t entries)
{
    const auto& flushes = timeline_->index().flushes();
    while (epochs_.empty() || next_epoch_ < entries) {
        const std::uint64_t begin = next_epoch_;
        const auto flush = std::ranges::upper_bound(flushes, begin);
        const std::uint64_t end = std::min(flush == flushes.end() ? to_ : *flush, to_);
        const auto epoch = places_of(begin, end);
        const ContentMap before = timeline_->at(begin);
        const ContentMap after = timeline_->at(end);
        epoch->device = next_device_;
        for (const ByteRange& place : epoch->places) {
            epoch->before.push_back(value(before, place));
            next_device_ += value(after, place);
            next_device_ -= epoch->before.back();
        }
        epochs_[begin] = epoch;
        if (end <= begin) {
            break;
        }
        next_epoch_ = end;
    }
    const auto epoch = epochs_.lower_bound(entries);
    return epoch == epochs_.begin() ? epoch->second : std::prev(epoch)->second;
}

std::shared_ptr<EpochPlaces> Contents::places_of(std::uint64_t begin, std::uint64_t end) const
{
    std::map<std::uint64_t, std::int64_t> cuts;  // by offset: how many more entries cover it
    for (std::uint64_t entry = begin; entry < end; entry++) {
        const Record& record = timeline_->index()[entry];
        if (record.changes()) {
            cuts[record.offset / sector_size_ * sector_size_]++;
            const std::uint64_t last = record.offset + record.length + sector_size_ - 1;
            cuts[last / sector_size_ * sector_size_]--;
        }
    }
    auto epoch = std::make_shared<EpochPlaces>();
    epoch->begin = begin;
    epoch->end = end;
    std::int64_t covered = 0;
    for (auto cut = cuts.begin(); cut != cuts.end(); ++cut) {
        covered += cut->second;
        if (covered > 0) {
            epoch->places.push_back({cut->first, std::next(cut)->first - cut->first});
        }
    }
    return epoch;
}

ContentValue Contents::value(const ContentMap& map, const ByteRange& range)
{
    const auto whole = [&](std::uint64_t offset) { return offset % sector_size_ == 0; };
    ContentValue sum;
    std::uint64_t done = range.offset;  // sectors up to here are in the sum
    for (const Piece& piece : map.pieces(range.offset, range.length)) {
        if (piece.end() <= done) {
            continue;
        }
        Piece rest = piece;
        if (!whole(rest.offset) || rest.offset < done) {
            rest.offset = std::max(done, (rest.offset + sector_size_ - 1) / sector_size_ *
                                             sector_size_);
        }
        // What is before `rest` in its first sector is of another piece: that
        // sector is put together from all of them.
        for (; done < rest.offset; done += sector_size_) {
            sum += value_of_sector(map, done);
        }
        const std::uint64_t end = piece.end() / sector_size_ * sector_size_;
        if (end > rest.offset) {
            rest.position += rest.source == Source::log ? rest.offset - piece.offset : 0;
            rest.length = end - rest.offset;
            sum += value_of_piece(rest);
            done = end;
        }
    }
    for (; done < range.end(); done += sector_size_) {
        sum += value_of_sector(map, done);
    }
    return sum;
}

ContentValue Contents::value_of_piece(const Piece& piece)
{
    if (piece.source == Source::base || (piece.source == Source::zero && base_ == nullptr)) {
        return {};
    }
    const Key key{piece.offset, piece.length,
                  piece.source == Source::log ? piece.position : ~std::uint64_t{0}};
    const auto known = hashed_.find(key);
    if (known != hashed_.end()) {
        return known->second;
    }
    return hashed_[key] = hash_log(piece);
}

/// Of a piece in whole sectors.
ContentValue Contents::hash_log(const Piece& piece)
{
    ContentValue sum;
    for (std::uint64_t at = 0; at < piece.length;) {
        const std::uint64_t length = std::min(piece.length - at, buffer_size);
        const auto bytes = std::span(buffer_).first(length);
        if (piece.source == Source::log) {
            timeline_->log().read(piece.position + at, bytes);
        } else {
            std::ranges::fill(bytes, std::byte{0});
        }
        for (std::uint64_t in = 0; in < length; in += sector_size_) {
            const auto sector = bytes.subspan(in, sector_size_);
            if (base_ != nullptr || !is_all_zero(sector)) {
                sum += hash(sector, (piece.offset + at + in) / sector_size_);
            }
        }
        at += length;
    }
    return sum;
}

/// Of a sector that several pieces share.
ContentValue Contents::value_of_sector(const ContentMap& map, std::uint64_t offset)
{
    std::vector<std::byte> sector(sector_size_);
    const int error =
        read_pieces(timeline_->log(), base_.get(), map.pieces(offset, sector_size_), sector);
    if (error != 0) {
        throw ToolError(fmt::format("byte {} of a state cannot be read: {}", offset,
                                    std::strerror(error)));
    }
    if (base_ == nullptr && is_all_zero(sector)) {
        return {};
    }
    return hash(sector, offset / sector_size_);
}

}  // namespace resilience::nbdcrash
