// SPDX-License-Identifier: BSD-3-Clause
#include "common/control/json.h"

namespace resilience {

std::optional<Json> parse_json(std::string_view text)
{
    Json value = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
    if (value.is_discarded()) {
        return std::nullopt;
    }
    return value;
}

std::string to_line(const Json& value)
{
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string to_pretty(const Json& value)
{
    return value.dump(4, ' ', false, Json::error_handler_t::replace);
}

}  // namespace resilience
