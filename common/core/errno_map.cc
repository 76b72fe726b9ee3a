// SPDX-License-Identifier: BSD-3-Clause
#include "common/core/errno_map.h"

#include <cerrno>

namespace resilience {

static_assert(ENOTSUP == EOPNOTSUPP, "one case label below stands for both");

int nbd_errno(int error, NotSupported not_supported) noexcept
{
    switch (error) {
    case EPERM:
    case EIO:
    case ENOMEM:
    case EINVAL:
    case ENOSPC:
    case EOVERFLOW:
    case ESHUTDOWN:
        return error;
    case EROFS:
        return EPERM;
    case EFBIG:
    case EDQUOT:
        return ENOSPC;
    case ENOTSUP:
        return not_supported == NotSupported::is_an_answer ? ENOTSUP : EIO;
    default:
        return EIO;
    }
}

}  // namespace resilience
