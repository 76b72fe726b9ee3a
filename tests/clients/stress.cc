// SPDX-License-Identifier: BSD-3-Clause
//
// stress [OPTION...] URI
//
// Overlapping requests at the same time, and a check that what was read is what
// a disk could have returned (history.h).  Exit status: 0 it is; 1 it is not,
// and why; 2 wrong usage.

#include <cstdio>
#include <exception>
#include <random>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "tests/clients/load.h"

int main(int argc, char** argv)
try {
    using namespace resilience::test;
    LoadOptions options;
    options.seed = std::random_device()();
    CLI::App app{"Overlapping requests on a small area of an NBD export, and what they returned"};
    app.add_option("uri", options.uri, "the server")->required();
    app.add_option("--connections", options.connections)->check(CLI::Range(1, 64));
    app.add_option("--depth", options.depth, "requests in flight per connection")
        ->check(CLI::Range(1, 256));
    app.add_option("--offset", options.offset, "where the area begins")
        ->transform(CLI::AsSizeValue(false));
    app.add_option("--size", options.size, "of the area")->transform(CLI::AsSizeValue(false));
    app.add_option("--largest", options.largest, "request")->transform(CLI::AsSizeValue(false));
    app.add_option("--requests", options.requests, "how many (0: by time alone)");
    app.add_option("--seconds", options.seconds, "how long (0: by number alone)");
    app.add_option("--answer-within", options.answer_within, "seconds until a request hangs");
    app.add_option("--seed", options.seed);
    app.add_option("--read-percent", options.read_percent)->check(CLI::Range(0, 80));
    app.add_flag("!--no-flush", options.flushes, "neither flush nor FUA before the end");
    app.add_flag("--allow-errors", options.allow_errors, "requests may fail");
    app.add_flag("--allow-disconnect", options.allow_disconnect, "the server may end");
    CLI11_PARSE(app, argc, argv);
    if (options.requests == 0 && options.seconds == 0) {
        std::fprintf(stderr, "stress: with --requests=0 say --seconds\n");
        return 2;
    }
    fmt::print("SEED={}\n", options.seed);
    std::fflush(stdout);
    Load load(options);
    try {
        load.run();
        load.check();
        fmt::print("{}\n", load.summary());
        return 0;
    } catch (const Violation& violation) {
        fmt::print("{}\nviolation with --seed={}: {}\n", load.summary(), options.seed,
                   violation.text);
        return 1;
    }
} catch (const std::exception& error) {
    std::fprintf(stderr, "stress: %s\n", error.what());
    return 2;
}
