// SPDX-License-Identifier: BSD-3-Clause

// A clustered file on a real file system: what is set is found again, what was
// emptied is not, a torn write is the state before it, and damage is an error,
// each byte of it.

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <thread>

#include "common/format/little_endian.h"
#include "common/store/clustered_file.h"
#include "tests/unit/device_test.h"

using namespace device_test;
using namespace resilience;

namespace {

constexpr std::uint32_t cluster = 4096;
constexpr std::uint64_t device = (1 << 20) + 512;  // the last cluster is short

mapfile::Header header_for(std::uint64_t size)
{
    mapfile::Header header;
    header.kind = "test";
    header.cluster_size = cluster;
    header.device_size = size;
    header.id = 7;
    return header;
}

std::unique_ptr<ClusteredFile> open_file(const std::string& path, std::uint64_t size = device,
                                         const std::string& kind = "test")
{
    mapfile::Header header = header_for(size);
    header.kind = kind;
    const ClusteredFileWords words{.key = "test-file",
                                   .device = "device",
                                   .lengths = "",
                                   .lost = "Restore it",
                                   .anew = "remove the file and its map"};
    auto file = std::make_unique<ClusteredFile>(words, path, header);
    file->load(file->header().generation);
    return file;
}

std::string error_of(const std::string& path, std::uint64_t size = device,
                     const std::string& kind = "test")
{
    try {
        open_file(path, size, kind);
    } catch (const SetupError& error) {
        return error.what();
    }
    return {};
}

void flip(const std::string& path, std::uint64_t at)
{
    const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
    char byte = 0;
    REQUIRE(pread(fd, &byte, 1, static_cast<off_t>(at)) == 1);
    byte = static_cast<char>(byte ^ 0x04);
    REQUIRE(pwrite(fd, &byte, 1, static_cast<off_t>(at)) == 1);
    close(fd);
}

/// What a crash would leave of the files, opened.
std::unique_ptr<ClusteredFile> open_copy(const TemporaryFolder& folder, const std::string& path)
{
    static int number = 0;
    const std::string copy = folder / ("copy" + std::to_string(++number));
    REQUIRE(run("cp --sparse=always " + path + " " + copy).status == 0);
    std::filesystem::copy(path + ".map", copy + ".map");
    return open_file(copy);
}

/// While it lives, writes behind byte `limit` of any file fail with EFBIG.
class NoFileBehind {
public:
    explicit NoFileBehind(rlim_t limit)
    {
        signal(SIGXFSZ, SIG_IGN);
        getrlimit(RLIMIT_FSIZE, &before_);
        const rlimit now{limit, before_.rlim_max};
        setrlimit(RLIMIT_FSIZE, &now);
    }
    NoFileBehind(const NoFileBehind&) = delete;
    NoFileBehind& operator=(const NoFileBehind&) = delete;
    ~NoFileBehind() { setrlimit(RLIMIT_FSIZE, &before_); }

private:
    rlimit before_{};
};

}  // namespace

TEST_CASE("what is set and committed is found again")
{
    const TemporaryFolder folder("/dev/shm");
    const std::string path = folder / "file";
    const Bytes data = pattern(2 * cluster, 1);
    {
        const auto file = open_file(path);
        CHECK(file->is_new());
        CHECK(file->clusters() == 257);
        CHECK(file->all_absent({0, 257}));
        REQUIRE(file->write(3 * cluster, data) == 0);
        file->set({3, 5}, ClusterState::data);
        file->set({255, 257}, ClusterState::zero);
        REQUIRE(file->commit() == 0);
        file->set({10, 11}, ClusterState::data);  // and not committed
    }
    const auto file = open_file(path);
    CHECK_FALSE(file->is_new());
    Bytes got(2 * cluster);
    REQUIRE(file->read(3 * cluster, got) == 0);
    CHECK(got == data);
    CHECK(file->get(10) == ClusterState::absent);
    CHECK(file->bytes() == 4 * cluster);
    CHECK(file->next_present(0) == 3);
    CHECK(file->next_present(5) == 255);
    const auto runs = file->runs({0, 257});
    REQUIRE(runs.size() == 4);
    CHECK(runs[1].clusters == Clusters{3, 5});
    CHECK(runs[1].state == ClusterState::data);
    CHECK(runs[3].clusters == Clusters{255, 257});
    CHECK(runs[3].state == ClusterState::zero);
    CHECK(file->end_of(257) == device);
}

TEST_CASE("the next generation is empty, whatever the pages hold")
{
    const Bytes owner = pattern(50, 3);
    const TemporaryFolder folder("/dev/shm");
    const std::string path = folder / "file";
    {
        const auto file = open_file(path);
        file->set({0, 257}, ClusterState::data);
        REQUIRE(file->commit() == 0);
        const std::uint64_t next = file->header().generation + 1;
        REQUIRE(file->write_header(next, owner) == 0);
        file->empty(next);
        CHECK(file->all_absent({0, 257}));
        CHECK(file->bytes() == 0);
        // What was set before and not committed must not come back.
        file->set({1, 2}, ClusterState::zero);
        REQUIRE(file->commit() == 0);
        CHECK(file->get(0) == ClusterState::absent);
    }
    const auto file = open_file(path);
    CHECK(file->header().generation == 2);
    CHECK(std::ranges::equal(file->header().owner, owner));
    CHECK(file->bytes() == cluster);
    CHECK(file->get(1) == ClusterState::zero);
}

TEST_CASE("many pages: states of clusters at the edges of pages")
{
    const TemporaryFolder folder("/dev/shm");
    const std::string path = folder / "file";
    const std::uint64_t size = (3 * mapfile::clusters_per_page + 7) * cluster;
    const std::uint64_t edge = mapfile::clusters_per_page;
    {
        const auto file = open_file(path, size);
        file->set({edge - 2, edge + 3}, ClusterState::data);
        file->set({3 * edge + 6, 3 * edge + 7}, ClusterState::zero);
        REQUIRE(file->commit() == 0);
    }
    const auto file = open_file(path, size);
    const auto runs = file->runs({0, file->clusters()});
    REQUIRE(runs.size() == 4);
    CHECK(runs[1].clusters == Clusters{edge - 2, edge + 3});
    CHECK(runs[3].clusters == Clusters{3 * edge + 6, 3 * edge + 7});
    CHECK(file->next_present(edge + 3) == 3 * edge + 6);
}

TEST_CASE("each byte of a map that is wrong is an error that names the map")
{
    const TemporaryFolder folder("/dev/shm");
    const std::string path = folder / "file";
    {
        const auto file = open_file(path);
        file->set({3, 5}, ClusterState::data);
        REQUIRE(file->commit() == 0);
    }
    const std::string map = path + ".map";
    const std::uint64_t bytes = 4 * mapfile::page_bytes;
    REQUIRE(std::filesystem::file_size(map) == bytes);
    for (std::uint64_t at = 0; at < bytes; at++) {
        flip(map, at);
        const std::string error = error_of(path);
        if (error.find("the map '" + map + "' is damaged") == std::string::npos) {
            FAIL("byte " << at << ": " << error);
        }
        flip(map, at);
    }
    for (const std::uint64_t length : {0, 5000, 8192, 12000, 20000}) {
        std::filesystem::copy(map, map + ".good");
        std::filesystem::resize_file(map, length);
        CHECK_THAT(error_of(path), Catch::Contains("is damaged: it has " + std::to_string(length)));
        std::filesystem::rename(map + ".good", map);
    }
    CHECK(error_of(path).empty());
}

TEST_CASE("a file of another version, kind or length is refused, and says what to do")
{
    const TemporaryFolder folder("/dev/shm");
    const std::string path = folder / "file";
    const std::string map = path + ".map";
    {
        open_file(path);
    }
    CHECK_THAT(error_of(path, device, "other"),
               Catch::Contains("a file for 'test', not for 'other'"));
    // Sound maps, as earlier versions made them.
    const auto make_old = [&](std::uint64_t magic, std::uint32_t version) {
        mapfile::Payload header = mapfile::encode_header(header_for(device));
        put_le(header, 0, magic);
        put_le(header, 8, version);
        Bytes bytes;
        for (unsigned slot = 0; slot < 2; slot++) {
            mapfile::PageBytes page;
            mapfile::encode_slot(header, slot + 1, 7, 0, slot, page);
            bytes.insert(bytes.end(), page.begin(), page.end());
        }
        make_file(map, bytes);
    };
    std::filesystem::copy(map, map + ".good");
    const std::uint64_t layer_magic = 0x0059414c5244424e;
    for (const auto& [magic, version] : {std::pair(mapfile::map_magic, 1U),
                                         std::pair(mapfile::map_magic, 3U),
                                         std::pair(layer_magic, 1U)}) {
        make_old(magic, version);
        CHECK_THAT(error_of(path), Catch::Contains("is not of this version") &&
                                       Catch::Contains("or remove the file and its map"));
    }
    std::filesystem::rename(map + ".good", map);
    std::filesystem::resize_file(path, device + 512);
    CHECK_THAT(error_of(path), Catch::Contains("by its map it has to have"));
    std::filesystem::remove(path);
    CHECK_THAT(error_of(path), Catch::Contains("is gone, but its map"));
    std::filesystem::remove(map);
    make_file(path, pattern(device, 1));
    CHECK_THAT(error_of(path), Catch::Contains("is not empty, but there is no map"));
}

TEST_CASE("what could not be committed stays to be committed")
{
    const TemporaryFolder folder("/dev/shm");
    const std::string path = folder / "file";
    {
        const auto file = open_file(path);
        REQUIRE(file->write(0, pattern(cluster, 1)) == 0);
        file->set({0, 1}, ClusterState::data);
        {
            const NoFileBehind limit(8192);  // where the first page of states begins
            CHECK(file->commit() == EFBIG);
            CHECK(file->dirty());
            CHECK(file->commit() == EFBIG);
        }
        CHECK(open_copy(folder, path)->get(0) == ClusterState::absent);
        CHECK(file->commit() == 0);
        CHECK_FALSE(file->dirty());
        CHECK(open_copy(folder, path)->get(0) == ClusterState::data);
    }
    CHECK(open_file(path)->get(0) == ClusterState::data);
}

TEST_CASE("what the map on the disk calls data is not given back")
{
    const TemporaryFolder folder("/dev/shm");
    const std::string path = folder / "file";
    const auto file = open_file(path);
    const Bytes data = pattern(cluster, 1);
    REQUIRE(file->write(0, data) == 0);
    file->set({0, 1}, ClusterState::data);
    REQUIRE(file->commit() == 0);
    file->set({0, 1}, ClusterState::absent);  // taken back, and not committed
    {
        const NoFileBehind limit(8192);  // the pages of states cannot be written
        file->give_back({0, cluster});
    }
    const auto copy = open_copy(folder, path);
    REQUIRE(copy->get(0) == ClusterState::data);
    Bytes got(cluster);
    REQUIRE(copy->read(0, got) == 0);
    CHECK(got == data);
    file->give_back({0, cluster});
    CHECK(open_copy(folder, path)->get(0) == ClusterState::absent);
    CHECK_FALSE(file->next_space(0));
}

TEST_CASE("commits share a sync")
{
    const TemporaryFolder folder("/dev/shm");
    const auto file = open_file(folder / "file");
    CHECK_FALSE(file->dirty());
    REQUIRE(file->write(0, pattern(cluster, 1)) == 0);
    file->set({0, 1}, ClusterState::data);
    CHECK(file->dirty());
    const std::uint64_t before = file->commits();
    std::vector<std::thread> threads;
    std::atomic<int> failed{0};
    for (int i = 0; i < 8; i++) {
        threads.emplace_back([&] {
            for (int n = 0; n < 50; n++) {
                failed += file->commit() != 0;
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(failed == 0);
    CHECK(file->commits() > before);
    CHECK(file->commits() <= before + 400);
    CHECK_FALSE(file->dirty());
}

TEST_CASE("neighbours may be changed, looked at and committed at the same time")
{
    const TemporaryFolder folder("/dev/shm");
    const std::string path = folder / "file";
    {
        const auto file = open_file(path);
        std::atomic<bool> done{false};
        std::atomic<int> wrong{0};
        std::vector<std::thread> threads;
        for (std::uint64_t mine = 0; mine < 4; mine++) {  // every fourth cluster
            threads.emplace_back([&, mine] {
                for (int n = 0; n < 3000; n++) {
                    const std::uint64_t at = mine + 4 * (static_cast<std::uint64_t>(n) % 64);
                    const auto state = n % 3 == 0 ? ClusterState::zero : ClusterState::data;
                    file->set({at, at + 1}, state);
                    wrong += file->get(at) != state;
                }
            });
        }
        std::thread looker([&] {
            while (!done) {
                std::uint64_t end = 0;
                for (const ClusterRun& run : file->runs({0, 257})) {
                    wrong += run.clusters.first != end;
                    end = run.clusters.last;
                }
                wrong += end != 257 || file->commit() != 0 || file->next_present(0) > 257;
            }
        });
        for (std::thread& thread : threads) {
            thread.join();
        }
        done = true;
        looker.join();
        CHECK(wrong == 0);
        CHECK(file->bytes() == 256 * cluster);
        REQUIRE(file->commit() == 0);
    }
    const auto file = open_file(path);
    CHECK(file->all_present({0, 256}));
    CHECK(file->get(256) == ClusterState::absent);
}

TEST_CASE("a write of the map that was torn is the state before it")
{
    const TemporaryFolder folder("/dev/shm");
    const std::string path = folder / "file";
    const std::string map = path + ".map";
    {
        const auto file = open_file(path);
        file->set({3, 4}, ClusterState::data);
        REQUIRE(file->commit() == 0);
    }
    REQUIRE(run("cp " + map + " " + map + ".before").status == 0);
    {
        const auto file = open_file(path);
        file->set({4, 5}, ClusterState::data);
        REQUIRE(file->commit() == 0);
    }
    // Any number of sectors of the new page have reached the disk, in any order.
    const std::string slots[] = {"16", "24"};  // page 1, in sectors of the file
    REQUIRE(run("cp " + map + " " + map + ".after").status == 0);
    for (int kept = 1; kept < 8; kept++) {
        REQUIRE(run("cp " + map + ".after " + map).status == 0);
        for (const std::string& slot : slots) {
            const std::string from = std::to_string(std::stoi(slot) + kept);
            REQUIRE(run("dd if=" + map + ".before of=" + map + " bs=512 conv=notrunc seek=" + from +
                        " skip=" + from + " count=" + std::to_string(8 - kept))
                        .status == 0);
        }
        const auto file = open_file(path);
        CHECK(file->get(3) == ClusterState::data);
        CHECK(file->get(4) == ClusterState::absent);
    }
}

TEST_CASE("space of what is absent is given back, and nothing else")
{
    const TemporaryFolder folder("/dev/shm");
    const std::string path = folder / "file";
    const auto file = open_file(path);
    const Bytes data = pattern(16 * cluster, 2);
    REQUIRE(file->write(0, data) == 0);
    file->set({4, 6}, ClusterState::data);
    CHECK(file->next_space(0) == std::optional<std::uint64_t>(0));
    file->give_back({0, 16 * cluster});
    CHECK(file->next_space(0) == std::optional<std::uint64_t>(4 * cluster));
    CHECK(file->next_space(6 * cluster) == std::nullopt);
    Bytes got(2 * cluster);
    REQUIRE(file->read(4 * cluster, got) == 0);
    CHECK(got == Bytes(data.begin() + 4 * cluster, data.begin() + 6 * cluster));
}
