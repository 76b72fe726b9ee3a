// SPDX-License-Identifier: BSD-3-Clause
//
// The dirty bitmap against a std::set of granule numbers, and under threads.
#include "common/core/dirty_bitmap.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <atomic>
#include <optional>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include "tests/unit/seed.h"

using resilience::ByteRange;
using resilience::DirtyBitmap;
using resilience::test::Random;

namespace {

constexpr std::uint64_t largest = ~std::uint64_t{0};

/// The same, simply: granule by granule, bytes asked one granule at a time.
class Model {
public:
    Model(std::uint64_t size, std::uint64_t granularity) : size_(size), granularity_(granularity) {}

    ByteRange bytes(std::uint64_t granule) const
    {
        return {granule * granularity_, std::min((granule + 1) * granularity_, size_)};
    }
    std::uint64_t granules() const { return (size_ + granularity_ - 1) / granularity_; }

    void set(ByteRange range)
    {
        for (std::uint64_t granule = 0; granule < granules(); granule++) {
            if (touches(range, granule)) {
                marked_.insert(granule);
            }
        }
    }
    void clear(ByteRange range)
    {
        std::erase_if(marked_, [&](std::uint64_t granule) {
            return range.begin <= bytes(granule).begin && bytes(granule).end <= range.end;
        });
    }
    bool any(ByteRange range) const
    {
        return std::any_of(marked_.begin(), marked_.end(),
                           [&](std::uint64_t granule) { return touches(range, granule); });
    }
    std::uint64_t marked_bytes() const
    {
        std::uint64_t sum = 0;
        for (const std::uint64_t granule : marked_) {
            sum += bytes(granule).length();
        }
        return sum;
    }
    std::optional<ByteRange> next_marked(std::uint64_t from, std::uint64_t limit) const
    {
        if (from >= size_) {
            return std::nullopt;
        }
        auto at = marked_.lower_bound(from / granularity_);
        if (at == marked_.end()) {
            return std::nullopt;
        }
        ByteRange run = bytes(*at);
        while (++at != marked_.end() && bytes(*at).begin == run.end &&
               (*at + 1) * granularity_ - run.begin <= limit) {
            run.end = bytes(*at).end;
        }
        return run;
    }
    const std::set<std::uint64_t>& marked() const { return marked_; }

private:
    bool touches(ByteRange range, std::uint64_t granule) const
    {
        return std::max(range.begin, bytes(granule).begin) <
               std::min(range.end, bytes(granule).end);
    }

    std::uint64_t size_;
    std::uint64_t granularity_;
    std::set<std::uint64_t> marked_;
};

/// The marked granules, read from the words.
std::set<std::uint64_t> granules_of(const DirtyBitmap& bitmap)
{
    std::set<std::uint64_t> marked;
    for (std::size_t index = 0; index < bitmap.words(); index++) {
        for (std::uint64_t bit = 0; bit < 64; bit++) {
            if ((bitmap.word(index) >> bit & 1) != 0) {
                marked.insert(index * 64 + bit);
            }
        }
    }
    return marked;
}

/// All marked bytes as next_marked gives them, walked from the start.
std::uint64_t walked_bytes(const DirtyBitmap& bitmap, std::uint64_t limit)
{
    std::uint64_t sum = 0;
    std::uint64_t from = 0;
    while (const auto run = bitmap.next_marked(from, limit)) {
        sum += run->length();
        from = run->end;
    }
    return sum;
}

/// A range anywhere, mostly short, sometimes at granule borders, empty,
/// inside out, or past the end.
ByteRange random_range(Random& random, std::uint64_t size, std::uint64_t granularity)
{
    std::uint64_t begin = random.between(0, size);
    std::uint64_t end = begin + random.between(0, random.one_in(4) ? size : 5 * granularity);
    if (random.one_in(2)) {
        begin -= begin % granularity;
    }
    if (random.one_in(2)) {
        end -= end % granularity;
    }
    if (random.one_in(20)) {
        begin += size;
        end += size;
    }
    return {begin, random.one_in(50) ? largest : end};
}

/// Ties the calling thread to one of the processors it may use, so that a
/// scheduler on a busy machine does not run all threads on the same one, one
/// after the other, in which case they could not get in each other's way.
void use_processor(std::size_t n)
{
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) {
        return;
    }
    n %= static_cast<std::size_t>(CPU_COUNT(&allowed));
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &allowed) && n-- == 0) {
            cpu_set_t one;
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            sched_setaffinity(0, sizeof one, &one);
            return;
        }
    }
}

void block_signals()
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

}  // namespace

TEST_CASE("dirty bitmap: a new one is clean", "[dirty-bitmap]")
{
    const DirtyBitmap bitmap(1000, 64);
    CHECK_FALSE(bitmap.any());
    CHECK_FALSE(bitmap.any({0, 1000}));
    CHECK(bitmap.marked_bytes() == 0);
    CHECK(bitmap.next_marked(0, 1000) == std::nullopt);
    CHECK(granules_of(bitmap).empty());
    CHECK(bitmap.size() == 1000);
    CHECK(bitmap.granularity() == 64);
}

TEST_CASE("dirty bitmap: one byte marks its whole granule", "[dirty-bitmap]")
{
    DirtyBitmap bitmap(4096, 512);
    bitmap.set({600, 601});
    CHECK(bitmap.any());
    CHECK(bitmap.any({512, 513}));
    CHECK(bitmap.any({1023, 1024}));
    CHECK_FALSE(bitmap.any({0, 512}));
    CHECK_FALSE(bitmap.any({1024, 4096}));
    CHECK(bitmap.marked_bytes() == 512);
    bitmap.set({600, 1024});  // already marked: counts once
    CHECK(bitmap.marked_bytes() == 512);
}

TEST_CASE("dirty bitmap: only whole granules are cleared", "[dirty-bitmap]")
{
    DirtyBitmap bitmap(4096, 512);
    bitmap.set_all();
    bitmap.clear({1, 512});     // all but the first byte
    bitmap.clear({512, 1023});  // all but the last
    bitmap.clear({1025, 1535});
    bitmap.clear({2000, 2100});
    CHECK(bitmap.marked_bytes() == 4096);
    bitmap.clear({511, 1536});  // granules 1 and 2
    CHECK(granules_of(bitmap) == std::set<std::uint64_t>{0, 3, 4, 5, 6, 7});
    bitmap.clear({511, 1536});  // again: counts once
    CHECK(bitmap.marked_bytes() == 4096 - 1024);
    bitmap.clear_all();
    CHECK_FALSE(bitmap.any());
}

TEST_CASE("dirty bitmap: the last granule may be short", "[dirty-bitmap]")
{
    DirtyBitmap bitmap(1000, 512);
    bitmap.set({999, 1000});
    CHECK(bitmap.marked_bytes() == 488);
    CHECK(bitmap.next_marked(0, 4096) == ByteRange{512, 1000});
    bitmap.clear({512, 999});
    CHECK(bitmap.any({512, 513}));
    bitmap.clear({513, 1000});
    CHECK(bitmap.any());
    bitmap.clear({512, 1000});
    CHECK_FALSE(bitmap.any());
    bitmap.set_all();
    CHECK(bitmap.marked_bytes() == 1000);
    bitmap.clear({0, largest});
    CHECK(bitmap.marked_bytes() == 0);
}

TEST_CASE("dirty bitmap: a granule larger than the device", "[dirty-bitmap]")
{
    DirtyBitmap bitmap(1000, 65536);
    bitmap.set({0, 1});
    CHECK(bitmap.marked_bytes() == 1000);
    CHECK(bitmap.next_marked(999, 1) == ByteRange{0, 1000});
    bitmap.clear({0, 1000});
    CHECK_FALSE(bitmap.any());
}

TEST_CASE("dirty bitmap: an empty device", "[dirty-bitmap]")
{
    DirtyBitmap bitmap(0, 512);
    bitmap.set_all();
    bitmap.set({0, 512});
    bitmap.clear_all();
    CHECK_FALSE(bitmap.any());
    CHECK_FALSE(bitmap.any({0, largest}));
    CHECK(bitmap.next_marked(0, 512) == std::nullopt);
    CHECK(bitmap.marked_bytes() == 0);
}

TEST_CASE("dirty bitmap: what is past the end, empty or inside out changes nothing",
          "[dirty-bitmap]")
{
    const std::vector<ByteRange> nothing{{1000, 2000}, {1024, 4096}, {5000, largest}, {700, 700},
                                         {512, 512},   {700, 100},   {largest, largest},
                                         {largest - 1, largest}};
    DirtyBitmap bitmap(1000, 512);
    for (const ByteRange& range : nothing) {
        CAPTURE(range.begin, range.end);
        bitmap.clear_all();
        bitmap.set(range);
        CHECK(bitmap.marked_bytes() == 0);
        bitmap.set_all();
        bitmap.clear(range);
        CHECK(bitmap.marked_bytes() == 1000);
        CHECK_FALSE(bitmap.any(range));
    }
}

TEST_CASE("dirty bitmap: runs end at the limit, at a gap, at the end", "[dirty-bitmap]")
{
    DirtyBitmap bitmap(200 * 512 + 100, 512);
    bitmap.set({3 * 512, 7 * 512});
    bitmap.set({100 * 512, bitmap.size()});
    CHECK(bitmap.next_marked(0, largest) == ByteRange{3 * 512, 7 * 512});
    CHECK(bitmap.next_marked(0, 1024) == ByteRange{3 * 512, 5 * 512});
    CHECK(bitmap.next_marked(5 * 512, 1024) == ByteRange{5 * 512, 7 * 512});
    CHECK(bitmap.next_marked(7 * 512, largest) == ByteRange{100 * 512, bitmap.size()});
    CHECK(bitmap.next_marked(200 * 512, 512) == ByteRange{200 * 512, bitmap.size()});
    CHECK(bitmap.next_marked(bitmap.size(), largest) == std::nullopt);
    CHECK(bitmap.next_marked(largest, largest) == std::nullopt);
    // From inside a granule: the granule as a whole, else it is never cleared.
    CHECK(bitmap.next_marked(4 * 512 + 1, 512) == ByteRange{4 * 512, 5 * 512});
}

TEST_CASE("dirty bitmap: a run is never longer than the limit, but one granule at least",
          "[dirty-bitmap]")
{
    DirtyBitmap bitmap(4096, 512);
    bitmap.set_all();
    CHECK(bitmap.next_marked(0, 1535) == ByteRange{0, 1024});
    CHECK(bitmap.next_marked(0, 513) == ByteRange{0, 512});
    CHECK(bitmap.next_marked(0, 511) == ByteRange{0, 512});
    CHECK(bitmap.next_marked(0, 0) == ByteRange{0, 512});
}

TEST_CASE("dirty bitmap: random operations against a set of granules", "[dirty-bitmap][random]")
{
    Random random;
    for (int world = 0; world < 60; world++) {
        const std::uint64_t granularity = std::uint64_t{1} << random.between(0, 7);
        // Up to four words, and the borders between them.
        const std::uint64_t size = random.one_in(4)
                                       ? granularity * 64 * random.between(1, 3)
                                       : random.between(1, granularity * 260);
        DirtyBitmap bitmap(size, granularity);
        Model model(size, granularity);
        for (int step = 0; step < 150; step++) {
            const ByteRange range = random_range(random, size, granularity);
            if (random.one_in(2)) {
                bitmap.set(range);
                model.set(range);
            } else {
                bitmap.clear(range);
                model.clear(range);
            }
            const ByteRange asked = random_range(random, size, granularity);
            const std::uint64_t limit = random.between(0, 20 * granularity);
            const bool right = granules_of(bitmap) == model.marked() &&
                               bitmap.any() == !model.marked().empty() &&
                               bitmap.any(asked) == model.any(asked) &&
                               bitmap.marked_bytes() == model.marked_bytes() &&
                               bitmap.next_marked(asked.begin, limit) ==
                                   model.next_marked(asked.begin, limit) &&
                               walked_bytes(bitmap, limit) == model.marked_bytes();
            if (!right) {
                FAIL("SEED=" << resilience::test::seed() << " world " << world << " step " << step);
            }
        }
    }
}

TEST_CASE("dirty bitmap: threads that set and clear their own ranges keep the count",
          "[dirty-bitmap][threads]")
{
    // Each thread owns every fourth granule, so all share the three words.
    constexpr std::uint64_t granularity = 4096;
    constexpr std::uint64_t granules = 160;
    constexpr std::size_t threads = 4;
    DirtyBitmap bitmap(granules * granularity - 1, granularity);
    std::vector<std::set<std::uint64_t>> expected(threads);
    std::atomic<std::size_t> ready{0};
    std::atomic<std::uint64_t> changed_by_others{0};
    const std::uint64_t seed = resilience::test::seed();
    const auto own = [&](std::size_t thread) {
        block_signals();
        use_processor(thread);
        std::mt19937_64 engine(seed + thread);
        std::vector<bool> marked(granules);
        for (ready++; ready.load() < threads;) {
            std::this_thread::yield();  // start together
        }
        for (int step = 0; step < 1500000; step++) {
            const std::uint64_t granule = engine() % (granules / threads) * threads + thread;
            const ByteRange range{granule * granularity, (granule + 1) * granularity};
            if (bitmap.any(range) != marked[granule]) {
                changed_by_others++;
            }
            marked[granule] = engine() % 2 == 0;
            marked[granule] ? bitmap.set(range) : bitmap.clear(range);
        }
        for (std::uint64_t granule = 0; granule < granules; granule++) {
            if (marked[granule]) {
                expected[thread].insert(granule);
            }
        }
    };
    std::vector<std::thread> running;
    for (std::size_t thread = 0; thread < threads; thread++) {
        running.emplace_back(own, thread);
    }
    for (std::thread& thread : running) {
        thread.join();
    }

    std::set<std::uint64_t> all;
    for (const auto& one : expected) {
        all.insert(one.begin(), one.end());
    }
    CHECK(changed_by_others == 0);
    CHECK(granules_of(bitmap) == all);
    CHECK(bitmap.marked_bytes() ==
          all.size() * granularity - (all.contains(granules - 1) ? 1 : 0));
    CHECK(walked_bytes(bitmap, largest) == bitmap.marked_bytes());
}

TEST_CASE("dirty bitmap: a standing mark is seen while others set and clear one granule",
          "[dirty-bitmap][threads]")
{
    // A clear that comes between a set's mark and its count must not make the
    // count say "nothing is marked" while something is.
    DirtyBitmap bitmap(2 * 4096, 4096);
    const ByteRange standing{0, 4096};
    const ByteRange contended{4096, 8192};
    bitmap.set(standing);
    std::atomic<int> running{2};
    const auto repeat = [&](auto action) {
        return std::thread([&running, action] {
            block_signals();
            for (int i = 0; i < 1000000; i++) {
                action();
            }
            running--;
        });
    };
    std::thread setter = repeat([&] { bitmap.set(contended); });
    std::thread clearer = repeat([&] { bitmap.clear(contended); });
    std::uint64_t missed = 0;
    std::uint64_t absurd = 0;
    while (running.load() > 0) {
        missed += !bitmap.any(standing);
        const std::uint64_t marked = bitmap.marked_bytes();
        absurd += marked < 4096 || marked > bitmap.size();
    }
    setter.join();
    clearer.join();
    CHECK(missed == 0);
    CHECK(absurd == 0);
    bitmap.clear_all();
    CHECK(bitmap.marked_bytes() == 0);
}
