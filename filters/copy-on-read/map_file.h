// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "common/store/page_file.h"
#include "filters/copy-on-read/cluster_map.h"

namespace resilience::cor {

/// The map on disk.  Not thread-safe; one user per file (the lock of the copy
/// beside it covers the map).
class MapFile {
public:
    /// Makes a map in which everything is absent.  Throws SetupError.
    static void create(const std::string& path, const mapfile::Header& header);

    /// Opens and reads the header.  Throws SetupError.
    explicit MapFile(std::string path);

    const mapfile::Header& header() const { return header_; }
    /// Reads all pages.  Throws SetupError for a map that is damaged.
    void load(ClusterMap& map);

    using Changed = PageFile::Changed;  ///< pages of ClusterMap
    /// Writes what has changed, and makes it durable.  What the states stand
    /// for must be durable already; see LocalCopy::sync().  Positive errno on
    /// failure; the pages stay dirty then.
    int write(const std::vector<Changed>& pages) { return file_.write(pages); }
    /// The same for the header.
    int write(const mapfile::Header& header);

private:
    PageFile file_;
    mapfile::Header header_;
};

}  // namespace resilience::cor
