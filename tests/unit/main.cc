// SPDX-License-Identifier: BSD-3-Clause

// The main program of every unit test.  Run without arguments it prints TAP.
//
// Catch2's own TAP reporter makes a point of every assertion, so a loop over a
// million requests is a million points, and the count of passed tests says
// nothing.  Here a TEST_CASE is one point; assertions that fail are told in full
// before it.  "-r tap" still gives the other form.
//
// WARN("skipped: REASON") makes the point of its test case a skipped one.

#if __has_include(<catch2/catch_all.hpp>)
#define RESILIENCE_CATCH3 1
#include <catch2/catch_all.hpp>
#else
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#include <catch2/catch_reporter_tap.hpp>
#endif

#include <algorithm>
#include <ostream>
#include <sstream>
#include <string>

namespace {

#ifdef RESILIENCE_CATCH3
using StreamBase = Catch::StreamingReporterBase;
#else
template <typename Derived>
using StreamBaseOf = Catch::StreamingReporterBase<Derived>;
#endif

// TAP has one line per point, and a '#' in it begins a directive.
std::string point_name(std::string text)
{
    std::replace(text.begin(), text.end(), '\n', ' ');
    std::replace(text.begin(), text.end(), '#', '_');
    return text;
}

void print_diagnostic(std::ostream& out, const std::string& text)
{
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        out << "# " << line << '\n';
    }
}

// Version 3 has a pointer where version 2 has the thing itself.
[[maybe_unused]] const Catch::TestCaseInfo& info_of(const Catch::TestCaseInfo& info)
{
    return info;
}
[[maybe_unused]] const Catch::TestCaseInfo& info_of(const Catch::TestCaseInfo* info)
{
    return *info;
}

std::string describe(const Catch::AssertionStats& stats)
{
    const auto& result = stats.assertionResult;
    std::ostringstream text;
    text << result.getSourceInfo() << ": failed: ";
    if (result.hasExpression()) {
        text << result.getExpressionInMacro();
    }
    if (result.hasExpandedExpression()) {
        text << "\n    with: " << result.getExpandedExpression();
    }
    if (result.hasMessage()) {
        text << "\n    message: " << result.getMessage();
    }
    for (const auto& info : stats.infoMessages) {
        if (info.message != std::string(result.getMessage())) {
            text << "\n    info: " << info.message;
        }
    }
    return text.str();
}

class PointReporter
#ifdef RESILIENCE_CATCH3
    : public StreamBase {
#else
    : public StreamBaseOf<PointReporter> {
#endif
public:
#ifdef RESILIENCE_CATCH3
    explicit PointReporter(Catch::ReporterConfig&& config) : StreamBase(std::move(config)) {}
    std::ostream& out() { return m_stream; }
    using AssertionResult = void;
#else
    explicit PointReporter(const Catch::ReporterConfig& config)
        : StreamBaseOf<PointReporter>(config)
    {
    }
    std::ostream& out() { return stream; }
    using AssertionResult = bool;
    void assertionStarting(const Catch::AssertionInfo&) override {}
#endif

    static std::string getDescription() { return "TAP with one point per test case"; }

    // Said before it runs, so that one knows which one hangs.
    void testCaseStarting(const Catch::TestCaseInfo& info) override
    {
        Base::testCaseStarting(info);
        out() << "# " << point_name(std::string(info.name)) << std::endl;
        skip_reason_.clear();
    }

    AssertionResult assertionEnded(const Catch::AssertionStats& stats) override
    {
        const auto& result = stats.assertionResult;
        if (!result.isOk()) {
            print_diagnostic(out(), describe(stats));
        } else if (result.getResultType() == Catch::ResultWas::Warning) {
            const std::string text(result.getMessage());
            print_diagnostic(out(), text);
            if (text.rfind(skip_prefix, 0) == 0) {
                skip_reason_ = text.substr(skip_prefix.size());
            }
        }
        return AssertionResult(true);
    }

    void testCaseEnded(const Catch::TestCaseStats& stats) override
    {
        ++points_;
        const bool passed = stats.totals.testCases.failed == 0;
        print_diagnostic(out(), std::string(stats.stdOut));
        print_diagnostic(out(), std::string(stats.stdErr));
        out() << (passed ? "ok " : "not ok ") << points_ << " - "
              << point_name(std::string(info_of(stats.testInfo).name));
        if (passed && !skip_reason_.empty()) {
            out() << " # SKIP " << point_name(skip_reason_);
        }
        out() << std::endl;
        Base::testCaseEnded(stats);
    }

    void testRunEnded(const Catch::TestRunStats& stats) override
    {
        out() << "1.." << points_ << std::endl;
        Base::testRunEnded(stats);
    }

private:
#ifdef RESILIENCE_CATCH3
    using Base = StreamBase;
#else
    using Base = StreamBaseOf<PointReporter>;
#endif
    static inline const std::string skip_prefix = "skipped: ";
    unsigned points_ = 0;
    std::string skip_reason_;  ///< of the test case that runs; empty: it is not skipped
};

CATCH_REGISTER_REPORTER("points", PointReporter)

void use_points_by_default(Catch::Session& session)
{
#ifdef RESILIENCE_CATCH3
    auto& reporters = session.configData().reporterSpecifications;
    if (reporters.empty()) {
        reporters.emplace_back("points", Catch::Optional<std::string>{},
                               Catch::Optional<Catch::ColourMode>{},
                               std::map<std::string, std::string>{});
    }
#else
    session.configData().reporterName = "points";
#endif
}

}  // namespace

int main(int argc, char* argv[])
{
    Catch::Session session;
#ifndef RESILIENCE_CATCH3
    use_points_by_default(session);
#endif
    if (const int status = session.applyCommandLine(argc, argv); status != 0) {
        return status;
    }
#ifdef RESILIENCE_CATCH3
    use_points_by_default(session);
#endif
    return std::min(session.run(), 100);
}
