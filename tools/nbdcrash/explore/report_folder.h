// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "tools/nbdcrash/explore/report.h"

namespace resilience::nbdcrash {

/// Throws ToolError.
void make_report_folder(const std::string& folder);

/// Makes `folder` if it is not there, and in it: report.json; junit.xml, for
/// continuous integration; states.txt, the bad states, one a line; picture.svg;
/// and index.html, for people, which needs no other file and no network.
/// `json` is report.json().  Throws ToolError.
void write_report_folder(const Report& report, const Json& json, const std::string& folder);

}  // namespace resilience::nbdcrash
