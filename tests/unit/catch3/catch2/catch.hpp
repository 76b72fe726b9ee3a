// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The unit tests are written for Catch2 version 2, one header.  Where only
// version 3 is installed, this file stands in for that header.

#include <string>

#include <catch2/catch_all.hpp>

namespace Catch {

using Matchers::EndsWith;
using Matchers::Equals;
using Matchers::StartsWith;
using Matchers::VectorContains;

inline auto Contains(const std::string& text) { return Matchers::ContainsSubstring(text); }

namespace Matchers {
inline auto Contains(const char* text) { return ContainsSubstring(text); }
}  // namespace Matchers

}  // namespace Catch
