// SPDX-License-Identifier: BSD-3-Clause
#include "filters/quorum/memory.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <utility>

#include "common/core/random_id.h"

namespace resilience::quorum {

using memoryfile::Layout;
using memoryfile::Member;
using memoryfile::MemberState;

namespace {

/// A copy that fails each time that it is mended must not hold up everybody each second.
constexpr std::chrono::seconds mended_again_after{10};

}  // namespace

void change_state(memoryfile::Content& content, std::size_t place, MemberState state)
{
    Member& member = content.members[place];
    if (member.state == MemberState::current) {
        member.epoch = content.root.epoch;
    }
    member.state = state;
    member.since = wall_clock_ns() / 1'000'000'000;
    member.has_map = false;
    content.maps[place].clear();
}

Memory::Memory(memoryfile::Content content, std::unique_ptr<MemoryStore> store,
               Duration patience, Clock& clock)
    : layout_(content.root.device_size), store_(std::move(store)), patience_(patience),
      clock_(clock), marked_(layout_.device_size, layout_.region),
      durable_(layout_.device_size, layout_.region),
      used_(layout_.device_size, layout_.region), last_written_(layout_.regions),
      content_(std::move(content))
{
    content_.intents.resize(layout_.intent_words());
    for (std::uint64_t region = 0; region < layout_.regions; region++) {
        if (content_.has_intent(region)) {
            marked_.set(layout_.range_of(region));
            durable_.set(layout_.range_of(region));
        }
    }
    for (Place place = 0; place < content_.members.size(); place++) {
        note_recorded(place, content_.members[place].state);
    }
}

/// The copies say so now.
void Memory::note_recorded(Place place, MemberState state)
{
    current_[place] = state == MemberState::current;
    filling_[place] = state == MemberState::filling;
    foreign_[place] = state == MemberState::foreign;
}

int Memory::begin()
{
    const std::optional<memoryfile::Root> found =
        content_.root.server != 0 ? std::optional(content_.root) : std::nullopt;
    content_.root.epoch++;
    content_.root.server = random_id();
    content_.root.complete = true;
    store_->own(content_.root, found);
    // New copies get all of it; the others what a start changes.
    if (store_->lost_answer(clock_.now() + patience_)) {
        store_->mend(everything());
    }
    for (std::uint64_t page = Layout::root; page < Layout::intents; page++) {
        mark_page(page);
    }
    mark_witness();
    std::unique_lock lock(mutex_);
    if (const int error = commit(lock)) {
        return error;
    }
    store_->own(content_.root, std::nullopt);
    return store_->check();
}

memoryfile::Root Memory::root() const
{
    const std::lock_guard lock(mutex_);
    return content_.root;
}

std::vector<std::pair<Memory::Place, Member>> Memory::members() const
{
    const std::lock_guard lock(mutex_);
    std::vector<std::pair<Place, Member>> all;
    for (Place place = 0; place < content_.members.size(); place++) {
        if (content_.members[place].state != MemberState::none) {
            all.emplace_back(place, content_.members[place]);
        }
    }
    return all;
}

memoryfile::Content Memory::content() const
{
    const std::lock_guard lock(mutex_);
    memoryfile::Content content = content_;
    content.intents = marked_.all_words();
    return content;
}

// ---- writing

memoryfile::Payload Memory::encode(std::uint64_t page) const
{
    if (page == Layout::root) {
        return encode_root(content_.root);
    }
    if (page < Layout::intents) {
        return encode_member(content_.members[page - Layout::members]);
    }
    if (page < Layout::witness) {
        return memoryfile::encode_bits(marked_.all_words(), page - Layout::intents);
    }
    if (page < Layout::witness + Layout::witness_pages) {
        return memoryfile::encode_witness(content_.witness, page - Layout::witness);
    }
    const std::size_t place = (page - Layout::maps) / layout_.map_pages;
    return memoryfile::encode_bits(content_.maps[place], (page - Layout::maps) % layout_.map_pages);
}

/// All but the root.
MemoryStore::Pages Memory::everything() const
{
    MemoryStore::Pages pages;
    const auto add = [&](std::uint64_t page) { pages.emplace_back(page, encode(page)); };
    for (std::uint64_t page = Layout::members;
         page < Layout::witness + Layout::witness_pages; page++) {
        add(page);
    }
    for (Place place = 0; place < content_.members.size(); place++) {
        for (std::uint64_t i = 0; i < layout_.map_pages && !content_.maps[place].empty(); i++) {
            add(layout_.map_of(place) + i);
        }
    }
    return pages;
}

/// Writes all pages that are to be written; the lock is let go of meanwhile.
void Memory::write_batch(std::unique_lock<std::mutex>& lock)
{
    writing_ = true;
    const std::uint64_t batch = wanted_;
    const std::set<std::uint64_t> pages = std::exchange(dirty_, {});
    const std::set<Place> maps = std::exchange(new_maps_, {});
    MemoryStore::Pages content;
    std::vector<std::pair<Place, MemberState>> states;
    for (const std::uint64_t page : pages) {
        content.emplace_back(page, encode(page));
        if (page >= Layout::members && page < Layout::intents) {
            states.emplace_back(page - Layout::members,
                                content_.members[page - Layout::members].state);
        }
    }
    const std::vector<std::uint64_t> intents = marked_.all_words();
    lock.unlock();
    const int error = content.empty() ? 0 : store_->write(content);
    lock.lock();
    if (error != 0) {
        dirty_.insert(pages.begin(), pages.end());
        new_maps_.insert(maps.begin(), maps.end());
    } else {
        for (std::size_t i = 0; i < intents.size(); i++) {
            for (std::uint64_t bits = intents[i] & marked_.word(i) & ~durable_.word(i); bits != 0;
                 bits &= bits - 1) {
                durable_.set(layout_.range_of(i * 64 + std::countr_zero(bits)));
            }
        }
        for (const auto& [place, state] : states) {
            if (content_.members[place].state == state && state != MemberState::current) {
                note_recorded(place, state);
            }
        }
        for (const Place place : maps) {  // all pages are there: from now on they count
            content_.members[place].has_map = true;
            mark_page(Layout::members + place);
        }
    }
    result_ = error;
    done_ = batch;
    writing_ = false;
    done_or_idle_.notify_all();
}

/// Whoever comes while a batch is written waits for the next one, which is for all.
int Memory::commit(std::unique_lock<std::mutex>& lock)
{
    const std::uint64_t mine = ++wanted_;
    const TimePoint deadline = clock_.now() + patience_;
    while (done_ < mine) {
        if (!writing_) {
            write_batch(lock);
        } else if (!clock_.wait_until(done_or_idle_, lock, deadline,
                                      [&] { return done_ >= mine || !writing_; })) {
            return EIO;
        }
    }
    return result_;
}

// ---- intents

bool Memory::is_durable(ByteRange range) const
{
    for (std::uint64_t region = first_region(range); region <= last_region(range); region++) {
        if (!durable_.any(layout_.range_of(region))) {
            return false;
        }
    }
    return true;
}

int Memory::intend(ByteRange range)
{
    if (fenced()) {
        return ESTALE;
    }
    // The order matters: clear_intents() first clears, and then looks at what is used.
    used_.set(range);
    note_last_written(range);
    if (is_durable(range)) {
        return 0;
    }
    std::unique_lock lock(mutex_);
    for (std::uint64_t region = first_region(range); region <= last_region(range); region++) {
        if (!marked_.any(layout_.range_of(region))) {
            marked_.set(layout_.range_of(region));
            mark_page(Layout::intents + region / Layout::bits_per_page);
        }
    }
    if (const int error = commit(lock)) {
        return error;
    }
    return is_durable(range) ? 0 : EIO;
}

std::vector<std::uint64_t> Memory::take_idle()
{
    std::vector<std::uint64_t> idle;
    for (std::uint64_t region = 0; region < layout_.regions; region++) {
        const ByteRange range = layout_.range_of(region);
        if (durable_.any(range) && !used_.any(range)) {
            idle.push_back(region);
        }
    }
    used_.clear_all();
    return idle;
}

void Memory::clear_intents(const std::vector<std::uint64_t>& regions)
{
    const std::lock_guard lock(mutex_);
    for (const std::uint64_t region : regions) {
        const ByteRange range = layout_.range_of(region);
        // First not durable: who comes from now on takes the lock, and marks it again.
        durable_.clear(range);
        if (used_.any(range)) {
            durable_.set(range);  // on the disk it is all the time
            continue;
        }
        marked_.clear(range);
        mark_page(Layout::intents + region / Layout::bits_per_page);
    }
}

// ---- members

void Memory::set_state(Place place, MemberState state)
{
    if (content_.members[place].state != state) {
        change_state(content_, place, state);
        new_maps_.erase(place);
        mark_page(Layout::members + place);
    }
}

int Memory::record_missing(const std::vector<std::pair<Place, MemberState>>& members)
{
    if (fenced()) {
        return ESTALE;
    }
    std::unique_lock lock(mutex_);
    for (const auto& [place, state] : members) {
        const MemberState now = content_.members[place].state;
        if (now == MemberState::current || state == MemberState::foreign ||
            (now == MemberState::behind && state == MemberState::filling)) {
            set_state(place, state);
        }
    }
    return commit(lock);
}

void Memory::record_current(Place place, const std::function<bool()>& still)
{
    const std::lock_guard lock(mutex_);
    // First this, then the look: whoever makes it miss something first notes that, and then
    // looks at this.
    current_[place] = true;
    if (!still()) {
        current_[place] = content_.members[place].state == MemberState::current;
        return;
    }
    set_state(place, MemberState::current);
    filling_[place] = false;
    content_.members[place].epoch = content_.root.epoch;
}

int Memory::change_members(const std::function<void(memoryfile::Content&)>& change)
{
    std::unique_lock lock(mutex_);
    change(content_);
    // A new epoch: a server that knows the old members only must not go on with them.
    const memoryfile::Root before = content_.root;
    content_.root.epoch++;
    store_->own(content_.root, before);
    for (std::uint64_t page = Layout::root; page < Layout::intents; page++) {
        mark_page(page);
    }
    if (const int error = commit(lock)) {
        return error;
    }
    for (Place place = 0; place < content_.members.size(); place++) {
        note_recorded(place, content_.members[place].state);
    }
    store_->own(content_.root, std::nullopt);
    return 0;
}

void Memory::note_map(Place place, std::vector<std::uint64_t> stale)
{
    const std::lock_guard lock(mutex_);
    const Member& member = content_.members[place];
    if (member.state == MemberState::current || member.state == MemberState::none) {
        return;
    }
    std::vector<std::uint64_t>& map = content_.maps[place];
    const bool is_new = !member.has_map;
    constexpr std::uint64_t per_page = Layout::bits_per_page / 64;
    for (std::uint64_t page = 0; page < layout_.map_pages; page++) {
        const auto begin = std::min<std::size_t>(page * per_page, stale.size());
        const auto end = std::min<std::size_t>((page + 1) * per_page, stale.size());
        if (is_new || map.size() != stale.size() ||
            !std::equal(stale.begin() + static_cast<std::ptrdiff_t>(begin),
                        stale.begin() + static_cast<std::ptrdiff_t>(end),
                        map.begin() + static_cast<std::ptrdiff_t>(begin))) {
            mark_page(layout_.map_of(place) + page);
        }
    }
    map = std::move(stale);
    if (is_new) {
        new_maps_.insert(place);
    }
}

bool Memory::anybody_behind() const
{
    const std::lock_guard lock(mutex_);
    return std::ranges::any_of(content_.members, [](const Member& member) {
        return member.state != MemberState::none && member.state != MemberState::current;
    });
}

int Memory::settle()
{
    // Asked before anybody has to wait for it: a copy that is lost may be silent.
    bool mend = false;
    if (store_->good() < store_->copies() && store_->lost_answer(clock_.now()) &&
        clock_.now() >= mend_at_) {
        mend = true;
        mend_at_ = clock_.now() + mended_again_after;
    }
    std::unique_lock lock(mutex_);
    if (!dirty_.empty()) {
        commit(lock);  // if that fails, it is because copies are lost: those come next
    }
    if (writing_) {
        return 0;  // somebody looks at the copies right now
    }
    writing_ = true;
    const MemoryStore::Pages pages = mend ? everything() : MemoryStore::Pages{};
    lock.unlock();
    const int error = store_->check();
    if (error != ESTALE && mend) {
        store_->mend(pages);
    }
    lock.lock();
    writing_ = false;
    done_or_idle_.notify_all();
    return error;
}

}  // namespace resilience::quorum
