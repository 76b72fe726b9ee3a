// SPDX-License-Identifier: BSD-3-Clause

// Is this the disk that we left?  Asked of a child whenever its link comes back, before it is
// asked for anything else (child.h).

#include <utility>

#include "filters/quorum/child.h"

namespace resilience::quorum {

void Child::begin_foreign(std::string why)
{
    const std::lock_guard lock(state_mutex_);
    state_ = ChildState::aside;
    why_foreign_ = std::move(why);
    foreign_ = true;
}

void Child::begin_unchecked()
{
    const std::lock_guard lock(state_mutex_);
    state_ = ChildState::aside;
    to_compare_ = true;
    unchecked_ = true;
}

std::string Child::why_foreign() const
{
    const std::lock_guard lock(state_mutex_);
    return why_foreign_;
}

void Child::accept()
{
    unknown = true;  // and all of it is stale, as it is of each that is foreign
    const std::lock_guard lock(state_mutex_);
    relapses_.forget();
    why_foreign_.clear();
    foreign_ = false;
}

/// Whether it may be asked again, after its link was lost.  Does not wait: asked again
/// until it is so, or until it is foreign.
bool Child::is_the_one()
{
    if (!to_compare_) {
        return true;
    }
    if (!check_) {
        std::vector<WitnessPlace> places;
        if (memory_ != nullptr && member != no_member) {
            places = memory_->comparable_places();
        }
        std::erase_if(places,
                      [this](const WitnessPlace& place) { return stale_.any(place.range()); });
        check_.emplace(*device_, std::move(places));
        comparing_ = true;
    }
    // If the link is lost again, the answers are of no use.
    if (!check_->ended() || device_->link() != Link::up) {
        return false;
    }
    judge(check_->findings());
    check_.reset();
    comparing_ = false;
    to_compare_ = false;
    return !foreign_;
}

void Child::judge(const WitnessFindings& findings)
{
    const bool unseen = std::exchange(unseen_, false);
    const bool needs_proof = !as_before_ || unseen;
    if (findings.differs()) {
        const std::string why = in_words(findings);
        distrust({0, stale_.size()});
        begin_foreign(why);
        if (on_foreign_) {
            on_foreign_(*this, why);
        }
    } else if (needs_proof && !findings.proven()) {
        unknown = true;
        distrust({0, stale_.size()});
    } else if (!as_before_ && memory_ != nullptr) {
        // The same, or a copy of some moment: what was under way then may be half there.
        for_each_marked(memory_->intents(), [this](ByteRange range) { distrust(range); });
    }
}

}  // namespace resilience::quorum
