// SPDX-License-Identifier: BSD-3-Clause

// Children come and go while clients work.

#include <atomic>
#include <thread>

#include <catch2/catch.hpp>

#include "tests/unit/quorum_test.h"

using namespace resilience;
using namespace resilience::test;

TEST_CASE("requests and changes of membership do not race")
{
    TestQuorum t(3, 4 * granule, {}, &real_clock());
    std::atomic<bool> end{false};
    std::atomic<int> errors{0};
    std::vector<std::jthread> clients;
    for (int i = 0; i < 3; i++) {
        clients.emplace_back([&, i] {
            const std::uint64_t begin = static_cast<std::uint64_t>(i) * 4096;
            while (!end) {
                errors += t.write({begin, begin + 4096}, std::byte(i)) != 0;
                errors += t.read({begin, begin + 4096}).first != 0;
                errors += t.flush() != 0;
            }
        });
    }
    for (int i = 0; i < 200; i++) {
        const std::string name =
            t.quorum->add_child({"", std::make_shared<FaultyDevice>(t.size), 500ms}, true);
        t.quorum->remove_child(name);
    }
    end = true;
    clients.clear();
    CHECK(errors == 0);
}
