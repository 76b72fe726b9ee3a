// SPDX-License-Identifier: BSD-3-Clause
#include "common/control/qmp.h"

#include <fmt/format.h>

#include "common/control/json.h"

namespace resilience {

namespace {

Json error_json(const std::string& desc, const std::string& error_class)
{
    return {{"error", {{"class", error_class}, {"desc", desc}}}};
}

/// Throws CommandError for whatever is not a request.
void check_request(const Json& request)
{
    if (!request.is_object()) {
        throw CommandError("QMP input must be a JSON object");
    }
    for (const auto& item : request.items()) {
        if (item.key() == "execute") {
            if (!item.value().is_string()) {
                throw CommandError("QMP input member 'execute' must be a string");
            }
        } else if (item.key() == "arguments") {
            if (!item.value().is_object()) {
                throw CommandError("QMP input member 'arguments' must be an object");
            }
        } else if (item.key() != "id") {
            throw CommandError(fmt::format("QMP input member '{}' is unexpected", item.key()));
        }
    }
    if (!request.contains("execute")) {
        throw CommandError("QMP input lacks member 'execute'");
    }
}

}  // namespace

std::string qmp_greeting()
{
    return to_line({{"QMP", {{"version", version_json()}, {"capabilities", Json::array()}}}});
}

std::string qmp_error(const std::string& desc, const std::string& error_class)
{
    return to_line(error_json(desc, error_class));
}

std::string QmpSession::answer(const StreamItem& item) noexcept
{
    try {
        if (item.problem != StreamProblem::none) {
            return qmp_error(item.text);
        }
        const std::optional<Json> request = parse_json(item.text);
        if (!request) {
            return qmp_error("Invalid JSON syntax");
        }
        Json reply;
        try {
            reply = {{"return", run(*request)}};
        } catch (const CommandError& error) {
            reply = error_json(error.what(), error.error_class());
        }
        if (request->is_object() && request->contains("id")) {
            reply["id"] = request->at("id");
        }
        return to_line(reply);
    } catch (...) {  // no memory
        return R"({"error":{"class":"GenericError","desc":"Out of memory"}})";
    }
}

Json QmpSession::run(const Json& request)
{
    check_request(request);
    const std::string name = request.at("execute").get<std::string>();
    const Json arguments = request.value("arguments", Json::object());
    if (name == "qmp_capabilities") {
        return negotiate(arguments);
    }
    if (!negotiated_) {
        throw CommandError("Expecting capabilities negotiation with 'qmp_capabilities'",
                           "CommandNotFound");
    }
    return table_.execute(name, arguments);
}

Json QmpSession::negotiate(const Json& arguments)
{
    if (negotiated_) {
        throw CommandError("Capabilities negotiation is already complete, command ignored",
                           "CommandNotFound");
    }
    for (const auto& item : arguments.items()) {
        if (item.key() != "enable") {
            throw CommandError(fmt::format("Parameter '{}' is unexpected", item.key()));
        }
        if (!item.value().is_array()) {
            throw CommandError("Invalid parameter type for 'enable', expected: array");
        }
        for (const Json& capability : item.value()) {
            throw CommandError(fmt::format("Capability {} is not available",
                                           to_line(capability)));
        }
    }
    negotiated_ = true;
    return Json::object();
}

}  // namespace resilience
