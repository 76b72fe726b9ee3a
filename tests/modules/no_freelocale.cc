// SPDX-License-Identifier: BSD-3-Clause

// Preloaded into a server that has the address sanitizer's runtime preloaded.
//
// Once such a server has printed an error number as text, the C library's lock
// for locales stays taken, and at exit the destructor of libp11-kit waits for it
// for ever, in freelocale.  Nothing is lost if a process that ends frees none.

#include <locale.h>

extern "C" __attribute__((visibility("default"))) void freelocale(locale_t) noexcept {}
