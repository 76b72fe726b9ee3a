// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/secondary/layer_map_file.h"

#include <fmt/format.h>

namespace resilience::replication {

void LayerMapFile::create(const std::string& path, const LayerHeader& header)
{
    PageFile::create(path, header.id,
                     1 + count_layer_pages(header.device_size, header.cluster_size),
                     encode_layer_header(header));
}

LayerMapFile::LayerMapFile(std::string path)
    : file_(std::move(path),
            "What the disk held at the last checkpoint cannot be "
            "known any more.  Restore active, hidden and their maps from a backup; "
            "or remove the four files, and the disk is as the primary left it, "
            "without a checkpoint, until the primary has made the next one"),
      header_(file_.read_header(decode_layer_header))
{
    const std::uint64_t wanted = layer_map_bytes(header_.device_size, header_.cluster_size);
    if (file_.size() != wanted) {
        file_.fail_damaged(fmt::format("it has {} bytes, for {} bytes of the disk in clusters of "
                                       "{} it has to have {}",
                                       file_.size(), header_.device_size, header_.cluster_size,
                                       wanted));
    }
}

void LayerMapFile::load(
    const std::function<void(std::uint64_t page, const mapfile::Payload&)>& take)
{
    file_.load(count_layer_pages(header_.device_size, header_.cluster_size), take);
}

int LayerMapFile::write(const LayerHeader& header)
{
    const int error = file_.write_header(encode_layer_header(header));
    if (error == 0) {
        header_ = header;
    }
    return error;
}

}  // namespace resilience::replication
