// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A disk in a World: what reads see, what is on the medium, and everything that
// goes wrong between the two.
//
// A request arrives, is carried out some time later, and is answered some time
// after that; requests overtake each other.  Writes go to the content; a flush
// makes what was written before it survive crash().

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/core/dirty_bitmap.h"
#include "common/device/device.h"
#include "tests/sim/world.h"

namespace resilience::sim {

inline constexpr std::uint64_t sector_size = 512;

/// What can go wrong with one request, or with a disk.
enum class FaultKind : std::uint8_t {
    // with the next request that it fits
    read_error,      ///< reads of its sectors fail from now on, until written
    write_error,     ///< some of its sectors are written, and it fails
    flush_error,     ///< what was not flushed is perhaps never written (and still read)
    stall,           ///< it alone takes very long
    flip_on_read,    ///< the answer is wrong once
    lost_write,      ///< acknowledged, not stored
    misdirected,     ///< acknowledged, stored in another place
    // with the disk
    flip_at_rest,
    zeroed,          ///< a range reads as zeroes
    freeze,          ///< nothing is answered for a time; then all is carried out
    crash,           ///< the connection is lost, and what was not flushed too
    reset,           ///< the connection is lost
    slow,            ///< all takes 100 times as long
};
inline constexpr std::size_t fault_kinds = 13;

const char* to_string(FaultKind kind);
constexpr bool lies(FaultKind kind)
{
    return kind >= FaultKind::flip_on_read && kind <= FaultKind::zeroed;
}
constexpr bool hits_one_request(FaultKind kind) { return kind < FaultKind::flip_at_rest; }

class SimulatedDevice final : public Device {
public:
    /// Asked before a request goes wrong; may say no.
    using Permit = std::function<bool(FaultKind, ByteRange)>;
    /// Told what a disk does, for people; may be empty.
    using Say = std::function<void(const std::string&)>;

    SimulatedDevice(World& world, std::string name, std::uint64_t size, bool local, Permit permit,
                    Say say);

    // ---- faults

    /// The next request that it fits goes wrong, if that is permitted then.
    void arm(FaultKind kind, int error) { armed_.push_back({kind, error}); }
    void disarm()
    {
        armed_.clear();
        at_next_change_ = nullptr;
    }
    void freeze() { frozen_ = true; }
    void thaw();
    void lose_link(bool forget);
    void return_link();
    /// `what` happens when the next change is on its way to the medium.
    void at_next_change(std::function<void()> what) { at_next_change_ = std::move(what); }
    void set_slow(bool slow) { slow_ = slow; }
    void flip(std::uint64_t offset);
    void zero_out(ByteRange range);
    void scribble();  ///< what a disk holds that is new to the quorum

    // ---- what the checkers look at

    /// Whether a fault of the whole disk is in force, or requests are in it
    /// that it should long have answered.
    bool troubled() const;
    bool local() const { return local_; }
    bool stopped() const { return stopped_; }
    bool link_lost() const { return link_ != Link::up; }
    /// When it last forgot something that it had acknowledged.
    TimePoint last_crash() const { return last_crash_; }
    /// The first word of a sector; 0 when it was never written.
    std::uint64_t visible(std::uint64_t sector) const { return first_word(content_, sector); }
    std::uint64_t durable(std::uint64_t sector) const { return first_word(medium_, sector); }
    /// A fault has made this sector wrong, and nobody wrote it since.
    bool lied(std::uint64_t sector) const { return lied_[sector] != 0; }
    bool unreadable(std::uint64_t sector) const { return unreadable_[sector] != 0; }
    bool ever_lied() const { return ever_lied_; }
    const std::vector<std::byte>& content() const { return content_; }
    const std::vector<std::byte>& medium() const { return medium_; }

    // ---- Device

    std::string describe() const override { return name_; }
    std::uint64_t size() const override { return content_.size(); }
    Capabilities capabilities() const override;
    bool immediate(Op op) const override;
    int execute(Request& request) override;
    std::optional<int> execute_now(Request& request) override;
    void submit(std::shared_ptr<Request> request, Completion done) override;
    Link link() const override;
    std::string link_error() const override { return link_ == Link::up ? "" : "lost"; }
    void resume() override;
    /// Also after stop(): another server uses it.
    void start() override { stopped_ = false; }
    void stop(std::chrono::milliseconds limit) override;

private:
    struct Armed {
        FaultKind kind;
        int error;
    };
    struct Pending {
        std::uint64_t number;
        TimePoint arrived;
        std::shared_ptr<Request> request;
        Completion done;
        std::optional<int> result;  ///< it has been carried out
        bool parked = false;        ///< waits for thaw()
        bool stalled = false;
    };
    using PendingList = std::list<Pending>;

    static std::uint64_t first_word(const std::vector<std::byte>& image, std::uint64_t sector);
    Duration some_time();
    std::optional<Armed> fault_for(const Request& request);
    void carry_out_pending(std::uint64_t number);
    void answer_pending(std::uint64_t number);
    PendingList::iterator find(std::uint64_t number);
    int carry_out(Request& request, const std::optional<Armed>& fault);
    int carry_out_badly(Request& request, const Armed& fault);
    int read(Request& request, bool flipped);
    int store(const Request& request);
    void store_sector(const Request& request, std::uint64_t sector);
    void store_elsewhere(const Request& request);
    void make_durable(std::uint64_t sector);
    int flush(const std::optional<Armed>& fault);
    void list_extents(Request& request);

    World& world_;
    const std::string name_;
    const bool local_;
    const Permit permit_;
    const Say say_;

    std::vector<std::byte> content_;
    std::vector<std::byte> medium_;
    std::vector<std::uint8_t> unflushed_;   // by sector
    std::vector<std::uint8_t> lied_;
    std::vector<std::uint8_t> unreadable_;
    bool ever_lied_ = false;

    std::list<Armed> armed_;
    std::function<void()> at_next_change_;
    PendingList pending_;
    std::uint64_t next_number_ = 0;
    Link link_ = Link::up;
    TimePoint last_crash_{};
    bool frozen_ = false;
    bool slow_ = false;
    bool stopped_ = false;
};

}  // namespace resilience::sim
