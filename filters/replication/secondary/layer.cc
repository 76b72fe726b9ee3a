// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/secondary/layer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "common/core/log.h"

namespace resilience::replication {

Layer::Layer(OpenedFile file, UniqueFd lock, std::unique_ptr<LayerMapFile> map, bool is_new)
    : file_(std::move(file)), lock_(std::move(lock)), io_(file_), map_file_(std::move(map)),
      is_new_(is_new), size_(map_file_->header().device_size),
      cluster_size_(map_file_->header().cluster_size),
      clusters_(mapfile::count_clusters(size_, cluster_size_)),
      pages_(count_layer_pages(size_, cluster_size_))
{
}

void Layer::load(std::uint64_t generation)
{
    generation_ = generation;
    map_file_->load([&](std::uint64_t page, const mapfile::Payload& payload) {
        const std::uint64_t found = page_generation(payload);
        if (found > generation) {
            throw Damaged(fmt::format("page {} is of generation {}, the header of hidden says {}",
                                      page + 1, found, generation));
        }
        if (found != generation) {
            return;
        }
        pages_[page] = std::make_unique<Page>();
        pages_[page]->payload = payload;
        const std::uint64_t first = page * layer_clusters_per_page;
        const std::uint64_t count = std::min(layer_clusters_per_page, clusters_ - first);
        for (std::uint64_t i = 0; i < count; i++) {
            present_ += get_cluster(payload, i) != ClusterState::absent;
        }
    });
}

Clusters Layer::touched(std::uint64_t begin, std::uint64_t end) const
{
    return {begin / cluster_size_, (end + cluster_size_ - 1) / cluster_size_};
}

std::uint64_t Layer::end_of(std::uint64_t last) const
{
    return std::min(last * cluster_size_, size_);
}

const Layer::Page* Layer::current(std::uint64_t page) const
{
    const Page* found = pages_[page].get();
    return found != nullptr && page_generation(found->payload) == generation_ ? found : nullptr;
}

Layer::Page& Layer::make_current(std::uint64_t page)
{
    if (!pages_[page]) {
        pages_[page] = std::make_unique<Page>();
    }
    Page& found = *pages_[page];
    if (page_generation(found.payload) != generation_) {
        found.payload.fill(std::byte{0});
        put_page_generation(found.payload, generation_);
    }
    return found;
}

ClusterState Layer::get(std::uint64_t cluster) const
{
    const std::shared_lock lock(mutex_);
    const Page* page = current(cluster / layer_clusters_per_page);
    return page == nullptr ? ClusterState::absent
                           : get_cluster(page->payload, cluster % layer_clusters_per_page);
}

std::vector<ClusterRun> Layer::runs(Clusters range) const
{
    std::vector<ClusterRun> result;
    const std::shared_lock lock(mutex_);
    for (std::uint64_t at = range.first; at < range.last;) {
        const std::uint64_t number = at / layer_clusters_per_page;
        const std::uint64_t end = std::min(range.last, (number + 1) * layer_clusters_per_page);
        const Page* page = current(number);
        while (at < end) {
            const auto state = page == nullptr
                                   ? ClusterState::absent
                                   : get_cluster(page->payload, at % layer_clusters_per_page);
            const std::uint64_t next = page == nullptr ? end : at + 1;
            if (!result.empty() && result.back().state == state) {
                result.back().clusters.last = next;
            } else {
                result.push_back({{at, next}, state});
            }
            at = next;
        }
    }
    return result;
}

bool Layer::all_absent(Clusters range) const
{
    return next_present(range.first) >= range.last;
}

std::uint64_t Layer::next_present(std::uint64_t from) const
{
    const std::shared_lock lock(mutex_);
    if (present_ == 0) {
        return clusters_;
    }
    for (std::uint64_t at = from; at < clusters_;) {
        const std::uint64_t number = at / layer_clusters_per_page;
        const std::uint64_t end = std::min(clusters_, (number + 1) * layer_clusters_per_page);
        const Page* page = current(number);
        for (; page != nullptr && at < end; at++) {
            if (get_cluster(page->payload, at % layer_clusters_per_page) != ClusterState::absent) {
                return at;
            }
        }
        at = end;
    }
    return clusters_;
}

std::uint64_t Layer::bytes() const
{
    const std::shared_lock lock(mutex_);
    return std::min(present_ * cluster_size_, size_);
}

void Layer::set(Clusters range, ClusterState state)
{
    const std::unique_lock lock(mutex_);
    for (std::uint64_t at = range.first; at < range.last;) {
        const std::uint64_t number = at / layer_clusters_per_page;
        const std::uint64_t end = std::min(range.last, (number + 1) * layer_clusters_per_page);
        Page& page = make_current(number);
        if (!page.dirty) {
            page.dirty = true;
            dirty_.push_back(number);
        }
        for (; at < end; at++) {
            const std::uint64_t index = at % layer_clusters_per_page;
            const bool was = get_cluster(page.payload, index) != ClusterState::absent;
            const bool is = state != ClusterState::absent;
            present_ += is && !was ? 1 : 0;
            present_ -= was && !is ? 1 : 0;
            put_cluster(page.payload, index, state);
        }
    }
}

int Layer::commit()
{
    const std::uint64_t ticket = ++wanted_;
    const std::lock_guard lock(commit_mutex_);
    if (done_ < ticket) {
        const std::uint64_t all = wanted_.load();
        result_ = commit_now();
        done_ = all;
    }
    return result_;
}

int Layer::commit_now()
{
    // What the pages say now was written before now, so the sync of the data
    // covers it; what is set later is for the next commit.
    std::vector<LayerMapFile::Changed> changed;
    {
        const std::unique_lock lock(mutex_);
        for (const std::uint64_t page : dirty_) {
            pages_[page]->dirty = false;
            changed.push_back({page, pages_[page]->payload});
        }
        dirty_.clear();
    }
    commits_++;
    int error = io_.sync();
    if (error == 0 && !changed.empty()) {
        error = map_file_->write(changed);
    }
    if (error != 0) {
        const std::unique_lock lock(mutex_);
        for (const auto& each : changed) {
            if (!pages_[each.page]->dirty) {
                pages_[each.page]->dirty = true;
                dirty_.push_back(each.page);
            }
        }
    }
    return error;
}

int Layer::write_header(const LayerHeader& header)
{
    const std::lock_guard lock(commit_mutex_);
    const std::lock_guard header_lock(header_mutex_);
    return map_file_->write(header);
}

LayerHeader Layer::header_copy() const
{
    const std::lock_guard lock(header_mutex_);
    return map_file_->header();
}

void Layer::empty(std::uint64_t generation)
{
    const std::unique_lock lock(mutex_);
    generation_ = generation;
    present_ = 0;
    for (const std::uint64_t page : dirty_) {
        pages_[page]->dirty = false;
    }
    dirty_.clear();
}

std::optional<std::uint64_t> Layer::next_space(std::uint64_t from) const
{
    const off_t found = lseek(file_.fd.get(), static_cast<off_t>(from), SEEK_DATA);
    return found < 0 ? std::nullopt : std::optional(static_cast<std::uint64_t>(found));
}

void Layer::give_back(ByteRange range)
{
    for (const ClusterRun& run : runs(touched(range.begin, range.end))) {
        if (run.state == ClusterState::data) {
            continue;
        }
        const std::uint64_t begin = begin_of(run.clusters.first);
        const std::uint64_t end = end_of(run.clusters.last);
        if (fallocate(file_.fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                      static_cast<off_t>(begin), static_cast<off_t>(end - begin)) != 0) {
            log::debug("replication: no hole at {}: {}", begin, std::strerror(errno));
            return;
        }
    }
}

}  // namespace resilience::replication
