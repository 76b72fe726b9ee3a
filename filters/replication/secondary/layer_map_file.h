// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/store/page_file.h"
#include "filters/replication/secondary/layer_format.h"

namespace resilience::replication {

/// The map of hidden or active on disk.  Not thread-safe, but for header();
/// one user per file (the lock of the data file beside it covers the map).
class LayerMapFile {
public:
    /// Makes a map in which everything is absent.  Throws SetupError.
    static void create(const std::string& path, const LayerHeader& header);

    /// Opens and reads the header.  Throws SetupError.
    explicit LayerMapFile(std::string path);

    const std::string& path() const { return file_.path(); }
    const LayerHeader& header() const { return header_; }

    /// Hands all pages of states to `take`; see PageFile::load().
    void load(const std::function<void(std::uint64_t page, const mapfile::Payload&)>& take);

    using Changed = PageFile::Changed;
    int write(const std::vector<Changed>& pages) { return file_.write(pages); }
    /// After a sync that failed nobody knows which header is on the disk.
    int write(const LayerHeader& header);

private:
    PageFile file_;
    LayerHeader header_;
};

}  // namespace resilience::replication
