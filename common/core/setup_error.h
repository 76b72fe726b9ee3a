// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdexcept>

namespace resilience {

/// A device or a parameter cannot be used.  what() names the thing, says what
/// is wrong and what is allowed; it is shown to the person who started us.
class SetupError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

}  // namespace resilience
