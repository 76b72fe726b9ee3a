// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The unit tests are written for Catch2 version 2, one header.  Where only
// version 3 is installed, this file stands in for that header.

#include <string>
#include <utility>

#include <catch2/catch_all.hpp>

namespace Catch {

using Matchers::EndsWith;
using Matchers::Equals;
using Matchers::StartsWith;
using Matchers::VectorContains;

inline auto Contains(const std::string& text) { return Matchers::ContainsSubstring(text); }

namespace Matchers {
// By value, to be as good a match as version 3's own, which is for containers.
inline auto Contains(const char* text) { return ContainsSubstring(text); }
inline auto Contains(std::string text) { return ContainsSubstring(std::move(text)); }
}  // namespace Matchers

}  // namespace Catch
