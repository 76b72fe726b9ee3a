// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What all tests of this folder share: waiting for a condition, and a folder
// that is removed at the end.

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>

namespace resilience::test {

/// Waits until `condition` holds; false if it does not within `limit`.
template <typename Condition>
bool eventually(Condition condition,
                std::chrono::milliseconds limit = std::chrono::seconds(20))
{
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
        if (std::chrono::steady_clock::now() >= deadline) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return true;
}

/// A folder that is removed with all that is in it.
class TemporaryFolder {
public:
    explicit TemporaryFolder(const std::string& parent = "/tmp")
        : path_(parent + "/resilience-test-XXXXXX")
    {
        if (!::mkdtemp(path_.data())) {
            throw std::runtime_error("mkdtemp " + path_);
        }
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    ~TemporaryFolder()
    {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    const std::string& path() const { return path_; }
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }

private:
    std::string path_;
};

}  // namespace resilience::test
