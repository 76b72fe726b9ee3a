// SPDX-License-Identifier: BSD-3-Clause

// In place of fuse_file.cc where nbdcrash is built without libfuse.

#include "tools/nbdcrash/explore/fuse_file.h"

namespace resilience::nbdcrash {

void FuseFile::require()
{
    throw SetupError(
        "a state is shown to its checker as a file by FUSE, and this nbdcrash was built without "
        "libfuse (Debian: apt-get install libfuse3-dev, then configure and build again).  "
        "explore --list names the states, and nbdkit's plugin logreplay serves each of them "
        "under that name");
}

FuseFile::FuseFile(const std::string& folder, std::uint64_t size, bool for_all)
    : folder_(folder), size_(size), for_all_(for_all)
{
    require();
}

FuseFile::~FuseFile() = default;

void FuseFile::show(std::shared_ptr<Device>) {}

}  // namespace resilience::nbdcrash
