// SPDX-License-Identifier: BSD-3-Clause

// Hidden and active on a real file system: what is set is found again, what was
// emptied is not, a torn write is the state before it, and damage is an error,
// each byte of it.

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <unistd.h>

#include "filters/replication/secondary/layer.h"
#include "tests/unit/device_test.h"

using namespace device_test;
using resilience::SetupError;
using namespace resilience::replication;

namespace {

constexpr std::uint32_t cluster = 4096;
constexpr std::uint64_t device = (1 << 20) + 512;  // the last cluster is short

LayerHeader header_for(std::uint64_t size = device)
{
    LayerHeader header;
    header.cluster_size = cluster;
    header.device_size = size;
    header.id = 7;
    header.partner = 8;
    return header;
}

std::unique_ptr<Layer> open_layer(const std::string& path, std::uint64_t size = device)
{
    auto layer = Layer::open("replication-hidden", path, header_for(size));
    layer->load(layer->header().generation);
    return layer;
}

std::string error_of(const std::string& path)
{
    try {
        open_layer(path);
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

}  // namespace

TEST_CASE("what is set and committed is found again")
{
    const TemporaryFolder folder("/dev/shm");
    const std::string path = folder / "hidden";
    const Bytes data = pattern(2 * cluster, 1);
    {
        const auto layer = open_layer(path);
        CHECK(layer->is_new());
        CHECK(layer->clusters() == 257);
        CHECK(layer->all_absent({0, 257}));
        REQUIRE(layer->write(3 * cluster, data) == 0);
        layer->set({3, 5}, ClusterState::data);
        layer->set({255, 257}, ClusterState::zero);
        REQUIRE(layer->commit() == 0);
        layer->set({10, 11}, ClusterState::data);  // and not committed
    }
    const auto layer = open_layer(path);
    CHECK_FALSE(layer->is_new());
    Bytes got(2 * cluster);
    REQUIRE(layer->read(3 * cluster, got) == 0);
    CHECK(got == data);
    CHECK(layer->get(10) == ClusterState::absent);
    CHECK(layer->bytes() == 4 * cluster);
    CHECK(layer->next_present(0) == 3);
    CHECK(layer->next_present(5) == 255);
    const auto runs = layer->runs({0, 257});
    REQUIRE(runs.size() == 4);
    CHECK(runs[1].clusters == Clusters{3, 5});
    CHECK(runs[1].state == ClusterState::data);
    CHECK(runs[3].clusters == Clusters{255, 257});
    CHECK(runs[3].state == ClusterState::zero);
    CHECK(layer->end_of(257) == device);
}

TEST_CASE("the next generation is empty, whatever the pages hold")
{
    const TemporaryFolder folder("/dev/shm");
    const std::string path = folder / "hidden";
    {
        const auto layer = open_layer(path);
        layer->set({0, 257}, ClusterState::data);
        REQUIRE(layer->commit() == 0);
        LayerHeader header = layer->header();
        header.generation++;
        header.checkpoint = 5;
        REQUIRE(layer->write_header(header) == 0);
        layer->empty(header.generation);
        CHECK(layer->all_absent({0, 257}));
        CHECK(layer->bytes() == 0);
        // What was set before and not committed must not come back.
        layer->set({1, 2}, ClusterState::zero);
        REQUIRE(layer->commit() == 0);
        CHECK(layer->get(0) == ClusterState::absent);
    }
    const auto layer = open_layer(path);
    CHECK(layer->header().checkpoint == 5);
    CHECK(layer->bytes() == cluster);
    CHECK(layer->get(1) == ClusterState::zero);
}

TEST_CASE("many pages: states of clusters at the edges of pages")
{
    const TemporaryFolder folder("/dev/shm");
    const std::string path = folder / "hidden";
    const std::uint64_t size = (3 * layer_clusters_per_page + 7) * cluster;
    const std::uint64_t edge = layer_clusters_per_page;
    {
        const auto layer = open_layer(path, size);
        layer->set({edge - 2, edge + 3}, ClusterState::data);
        layer->set({3 * edge + 6, 3 * edge + 7}, ClusterState::zero);
        REQUIRE(layer->commit() == 0);
    }
    const auto layer = open_layer(path, size);
    const auto runs = layer->runs({0, layer->clusters()});
    REQUIRE(runs.size() == 4);
    CHECK(runs[1].clusters == Clusters{edge - 2, edge + 3});
    CHECK(runs[3].clusters == Clusters{3 * edge + 6, 3 * edge + 7});
    CHECK(layer->next_present(edge + 3) == 3 * edge + 6);
}

TEST_CASE("each byte of a map that is wrong is an error that names the map")
{
    const TemporaryFolder folder("/dev/shm");
    const std::string path = folder / "hidden";
    {
        const auto layer = open_layer(path);
        layer->set({3, 5}, ClusterState::data);
        REQUIRE(layer->commit() == 0);
    }
    const std::string map = path + ".map";
    const std::uint64_t bytes = layer_map_bytes(device, cluster);
    REQUIRE(std::filesystem::file_size(map) == bytes);
    for (std::uint64_t at = 0; at < bytes; at++) {
        flip(map, at);
        const std::string error = error_of(path);
        if (error.find("the map '" + map + "' is damaged") == std::string::npos) {
            FAIL("byte " << at << ": " << error);
        }
        flip(map, at);
    }
    CHECK(error_of(path).empty());
}

TEST_CASE("a write of the map that was torn is the state before it")
{
    const TemporaryFolder folder("/dev/shm");
    const std::string path = folder / "hidden";
    const std::string map = path + ".map";
    {
        const auto layer = open_layer(path);
        layer->set({3, 4}, ClusterState::data);
        REQUIRE(layer->commit() == 0);
    }
    REQUIRE(run("cp " + map + " " + map + ".before").status == 0);
    {
        const auto layer = open_layer(path);
        layer->set({4, 5}, ClusterState::data);
        REQUIRE(layer->commit() == 0);
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
        const auto layer = open_layer(path);
        CHECK(layer->get(3) == ClusterState::data);
        CHECK(layer->get(4) == ClusterState::absent);
    }
}

TEST_CASE("space of what is absent is given back, and nothing else")
{
    const TemporaryFolder folder("/dev/shm");
    const std::string path = folder / "hidden";
    const auto layer = open_layer(path);
    const Bytes data = pattern(16 * cluster, 2);
    REQUIRE(layer->write(0, data) == 0);
    layer->set({4, 6}, ClusterState::data);
    CHECK(layer->next_space(0) == std::optional<std::uint64_t>(0));
    layer->give_back({0, 16 * cluster});
    CHECK(layer->next_space(0) == std::optional<std::uint64_t>(4 * cluster));
    CHECK(layer->next_space(6 * cluster) == std::nullopt);
    Bytes got(2 * cluster);
    REQUIRE(layer->read(4 * cluster, got) == 0);
    CHECK(got == Bytes(data.begin() + 4 * cluster, data.begin() + 6 * cluster));
}
