// SPDX-License-Identifier: BSD-3-Clause

// Runs a fuzz target on every file of its corpus, as a test: what a fuzzer has
// once found stays found, and the target is compiled by every build.
//
// The folders are the arguments, or those of the sources.  A crash of the target
// ends the program before its plan, which is a failure.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int argc, char* argv[])
{
    std::vector<std::filesystem::path> folders = {DEFAULT_CORPUS};
    if (argc > 1) {
        folders.assign(argv + 1, argv + argc);
    }
    std::vector<std::filesystem::path> files;
    for (const auto& folder : folders) {
        for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
            if (entry.is_regular_file()) {
                files.push_back(entry.path());
            }
        }
    }
    std::sort(files.begin(), files.end());

    unsigned number = 0;
    for (const auto& path : files) {
        std::ifstream file(path, std::ios::binary);
        const std::string input{std::istreambuf_iterator<char>(file), {}};
        // Exactly as large as the input, so that a sanitizer sees one byte too many.
        const std::vector<std::uint8_t> bytes(input.begin(), input.end());
        std::printf("# %s\n", path.filename().c_str());
        std::fflush(stdout);
        LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
        std::printf("ok %u - %s\n", ++number, path.filename().c_str());
    }
    std::printf("1..%u\n", number);
    return 0;
}
