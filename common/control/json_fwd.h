// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// For headers that only name Json: the library itself costs every unit that
// sees it more than a second to compile.

#include <nlohmann/json_fwd.hpp>

namespace resilience {

/// JSON as it stands in the control protocol; members keep their order, so
/// that what people read comes in the order in which it was written.
using Json = nlohmann::ordered_json;

}  // namespace resilience
