// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A child that outlives what it names.
//
// open_child() gives a device that is there, or throws.  This one may be away:
// when it is made, and whenever what it names is lost.  It tries to open it, again
// and again, and what was opened is watched, because a file tells nobody that it was
// deleted, replaced, or left behind by a network that is gone: requests go on well
// for ever, into a file that has no name any more.
//
//   away      Link::down.  link_error() says why; requests end with ENOTCONN.
//             Every second, and later every 5 s, it is opened.
//   returned  Link::returned.  It was opened, and is what its user needs (size,
//             blocks, writable).  Requests still end with ENOTCONN, until its
//             user has noted what may have been lost, and calls resume().
//   up        Link::up.  A file is looked at every second: is the path gone, another
//             file, or the end of it?  Then it is away.
//
// An NBD server is opened once; then its device makes its link again by itself
// (nbd_link.h), and says so through this one.
//
// Requests that were sent to a file before it was lost end as they end, on that file.
// It is not opened again before the last of them has, so none of them can land on
// what was written later.

#include <memory>
#include <string>
#include <vector>

#include "common/child/child_spec.h"
#include "common/device/device.h"
#include "common/device/early_read.h"
#include "common/device/open_options.h"
#include "common/thread/background_thread.h"
#include "common/thread/clock.h"

namespace resilience {

class LastingState;

/// What the user of a device that is away will need it to be.
struct ExpectedDevice {
    std::uint64_t size = 0;     ///< bytes
    Capabilities capabilities;  ///< `writable` and `flush` have to be there if they are here
    BlockLimits blocks;         ///< its minimum may be less than here
};

/// A child named by a SPEC, opened again whenever it has been lost.  size(),
/// capabilities() and block_limits() stay what they were when it was made; whatever
/// does not go with them is not accepted, and link_error() says what differs.
class LastingDevice : public Device {
public:
    /// Opens it, as open_child() does.  Throws SetupError.
    LastingDevice(const ChildSpec& spec, const OpenOptions& options);
    /// It is away for now: `why` is for people (the message of a failed open).
    LastingDevice(const ChildSpec& spec, const OpenOptions& options,
                  const ExpectedDevice& expected, std::string why);
    /// Stops without waiting long, if stop() has not been called.
    ~LastingDevice() override;

    std::string describe() const override;
    std::uint64_t size() const override;
    Capabilities capabilities() const override;
    BlockLimits block_limits() const override;

    /// Requests end with ENOTCONN while the link is not up, with ESHUTDOWN before
    /// start() and after stop().
    int execute(Request& request) override;
    void submit(std::shared_ptr<Request> request, Completion done) override;
    std::optional<int> execute_now(Request& request) override;
    bool immediate(Op op) const override;

    Link link() const override;
    std::string link_error() const override;
    void resume() override;
    Progress progress() const override;
    int invalidate_cache() override;

    /// While the link is `returned`: whether it is sure to be the file or disk that
    /// was open before, at no time shorter than it has to be.  If not, nothing is known
    /// of its content, whatever had been flushed: it may be an empty file, or last
    /// week's copy.  Always false for an NBD server, which does not say what it
    /// serves, and for what is opened for the first time.
    bool is_as_before() const;
    /// An NBD server that comes back is taken for the same one.
    bool may_be_as_before() const override;

    /// Before start(): reads what `reads` says.  False: that cannot be done (it is away; the
    /// server of a command is not there before start(); its blocks are larger), or was not
    /// done by `deadline`.  A server that was too slow is connected to again by start().
    bool read_early(std::vector<EarlyRead>& reads, TimePoint deadline);

    void start() override;
    void stop(std::chrono::milliseconds limit) override;

private:
    explicit LastingDevice(std::shared_ptr<LastingState> state);

    const std::shared_ptr<LastingState> state_;
    BackgroundThread worker_;    ///< opens and looks; may hang, and is left behind then
    BackgroundThread watchdog_;  ///< notices that; never hangs
};

}  // namespace resilience
