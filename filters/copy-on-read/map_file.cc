// SPDX-License-Identifier: BSD-3-Clause
#include "filters/copy-on-read/map_file.h"

#include <fmt/format.h>

namespace resilience::cor {

namespace {

/// Of the file.
std::uint64_t pages_of(const mapfile::Header& header)
{
    return mapfile::count_pages(
        mapfile::count_clusters(header.device_size, header.cluster_size));
}

}  // namespace

void MapFile::create(const std::string& path, const mapfile::Header& header)
{
    PageFile::create(path, header.id, pages_of(header), mapfile::encode_header(header));
}

MapFile::MapFile(std::string path)
    : file_(std::move(path), "What the copy beside it holds cannot be known any "
                             "more: restore both from a backup, or remove both to start again "
                             "without what was written"),
      header_(file_.read_header(mapfile::decode_header))
{
    const std::uint64_t wanted = mapfile::file_bytes(pages_of(header_));
    if (file_.size() != wanted) {
        file_.fail_damaged(fmt::format("it has {} bytes, for {} bytes of the device in clusters "
                                       "of {} it has to have {}",
                                       file_.size(), header_.device_size, header_.cluster_size,
                                       wanted));
    }
}

void MapFile::load(ClusterMap& map)
{
    file_.load(map.pages(), [&map](std::uint64_t page, const mapfile::Payload& payload) {
        map.load(page, payload);
    });
}

int MapFile::write(const mapfile::Header& header)
{
    const int error = file_.write_header(mapfile::encode_header(header));
    if (error == 0) {
        header_ = header;
    }
    return error;
}

}  // namespace resilience::cor
