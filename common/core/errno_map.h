// SPDX-License-Identifier: BSD-3-Clause
#pragma once

namespace resilience {

/// Whether the request that failed allows "not supported" as an answer.
enum class NotSupported : bool { is_an_error, is_an_answer };

/// The errno value to hand to nbdkit for a request that failed with `error`.
///
/// NBD carries EPERM, EIO, ENOMEM, EINVAL, ENOSPC, EOVERFLOW, ENOTSUP and
/// ESHUTDOWN, and nbdkit turns any other value into EINVAL, which tells a
/// client that it made a mistake.  So everything that has no code of its own
/// (a lost connection, a timeout, a value that is no errno at all) becomes
/// EIO.  ENOTSUP is the answer to a fast zero only: after any other request
/// nbdkit's server aborts on it.  Never returns 0, which aborts it too.
int nbd_errno(int error, NotSupported not_supported = NotSupported::is_an_error) noexcept;

}  // namespace resilience
