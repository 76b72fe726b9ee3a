// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "common/device/request.h"
#include "filters/quorum/answers.h"
#include "filters/quorum/state.h"

namespace resilience::quorum {

/// Read patterns.  Each returns 0 with the data in request.into, or an errno;
/// the failure of the whole is for the caller to report, who may have another way.
int read_by_vote(State& state, Request& request);
int read_first_answer(State& state, Request& request);  // fifo; see fifo.cc

/// After a vote on all of it has ended with `error`, or could not be held: finds out block
/// by block what the range of `answers`, which the caller holds, has; see blocks.h.
/// Reports children that failed or lost.  Returns 0 with it in `right`, else `error`.
int find_by_block(State& state, Answers& answers, int error, Buffer& right);

/// Votes again on `range`, alone on it, and gives every child that lost, or
/// could not read, the winner's data; but no zeroes in the place of data.  Fills `into`
/// (if not empty) with it.  Returns 0 or the errno of the vote.  Not to be called from a completion.
int repair(State& state, ByteRange range, std::span<std::byte> into);

/// A child that failed to read can be helped by a write (disks give a bad
/// sector a new place); not one that does not answer.
bool worth_rewriting(int error);

}  // namespace resilience::quorum
