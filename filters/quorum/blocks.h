// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What a range holds, block by block, when it has no majority as a whole.
//
// Children are wrong, unreadable and stale in sectors; what is compared, and what
// is known about staleness, is larger.  So before a read or a copy fails, the answers
// are voted on sector by sector (block by block, where children have larger ones).
// If that does not settle it either, those that failed are asked again for each block
// alone, and those that are stale are heard as far as elect_among_all() lets them
// (common/core/vote.h has the table, docs/consistency.md, R16, why).

#include <cstdint>
#include <vector>

#include "common/core/dirty_bitmap.h"
#include "common/device/buffer_pool.h"
#include "filters/quorum/answers.h"
#include "filters/quorum/state.h"

namespace resilience::quorum {

/// Who may be asked beyond those whose answers there are.
enum class Ask : std::uint8_t { nobody, everybody };

/// Finds out what the range of `answers` holds; the caller holds the range.  `answers`,
/// of children that are current, have been read; more are added to them.  Returns 0
/// with all of it in `content`, or EIO.
int decide_by_block(State& state, Answers& answers, Ask ask, Buffer& content);

/// Whether nothing but children that are current has been heard.
bool all_current(const Answers& answers);

/// The parts of the range, in whole blocks, that `answer`'s child is to be given of
/// `right`: it holds something else there, or cannot read it.  Where zeroes have won
/// against its data it is left alone: what looks like a majority may be replicas that
/// are new and empty.
std::vector<ByteRange> to_rewrite(const State& state, const Answers& answers,
                                  const Answer& answer, const Buffer& right);

/// Asks those that failed again wherever `right` has zeroes, since to_rewrite() must
/// know what they hold there.
void look_behind_zeroes(State& state, Answers& answers, const Buffer& right);

/// Whether staleness is known of the range as one.
bool in_one_granule(ByteRange range);

}  // namespace resilience::quorum
