// SPDX-License-Identifier: BSD-3-Clause

// Hidden and active: they are made together and found together, what the header
// says is kept, and what it cannot say is damage.  (The files: test-clustered-file.)

#include <catch2/catch.hpp>

#include "filters/replication/secondary/layer.h"
#include "tests/unit/device_test.h"

using namespace device_test;
using resilience::ClusterState;
using resilience::mapfile::Damaged;
using namespace resilience::replication;

namespace {

constexpr std::uint64_t device = (1 << 20) + 512;

LayerHeader sample_header()
{
    LayerHeader header;
    header.partner = 0x1122334455667788;
    header.state = State::failover;
    header.checkpoint = 5;
    header.checkpoint_time = 1234567890123;
    header.syncing = true;
    header.nothing_saved = true;
    header.moment = 99;
    return header;
}

}  // namespace

TEST_CASE("what the header says is read as it was written")
{
    CHECK(decode_layer_header(encode_layer_header(sample_header())) == sample_header());
    CHECK(decode_layer_header(encode_layer_header({})) == LayerHeader{});
}

TEST_CASE("a header of another length, or with what has no meaning, is damage")
{
    const auto good = encode_layer_header(sample_header());
    for (const std::size_t at : {32, 33, 36, 37, 39}) {  // state, flags
        auto bad = good;
        bad[at] ^= std::byte{0x40};
        CHECK_THROWS_AS(decode_layer_header(bad), Damaged);
    }
    for (std::size_t length = 0; length < good.size(); length++) {
        CHECK_THROWS_AS(decode_layer_header({good.begin(), good.begin() + static_cast<long>(length)}),
                        Damaged);
    }
}

TEST_CASE("one write of hidden's header empties both")
{
    const TemporaryFolder folder("/dev/shm");
    Options options;
    options.hidden = folder / "hidden";
    options.active = folder / "active";
    options.cluster_size = 4096;
    Identity identity;
    {
        const Layers layers = open_layers(options, device, identity);
        CHECK(layers.hidden->is_new());
        CHECK(identity.hidden == layers.hidden->header().id);
        for (Layer* layer : {layers.hidden.get(), layers.active.get()}) {
            layer->set({3, 5}, ClusterState::data);
            REQUIRE(layer->commit() == 0);
        }
    }
    {
        const Layers layers = open_layers(options, device, identity);
        CHECK_FALSE(layers.hidden->is_new());
        CHECK(layers.hidden->get(3) == ClusterState::data);
        CHECK(layers.active->get(4) == ClusterState::data);
        LayerHeader header = layers.header;
        header.checkpoint = 7;
        REQUIRE(layers.hidden->write_header(2, encode_layer_header(header)) == 0);
    }
    const Layers layers = open_layers(options, device, identity);
    CHECK(layers.header.checkpoint == 7);
    CHECK(layers.hidden->bytes() == 0);
    CHECK(layers.active->bytes() == 0);
}
