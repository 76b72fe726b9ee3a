// SPDX-License-Identifier: BSD-3-Clause

// Preloaded into a server, so that a test sees what goes to the system's log:
// lines "PRIORITY TEXT" in the file that FAKE_SYSLOG names.

#include <cstdarg>
#include <cstdio>
#include <cstdlib>

#include <fcntl.h>
#include <unistd.h>

namespace {

void append(int priority, const char* format, std::va_list arguments)
{
    const char* path = std::getenv("FAKE_SYSLOG");
    const int file = path != nullptr ? open(path, O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;
    if (file != -1) {
        dprintf(file, "%d ", priority);
        vdprintf(file, format, arguments);
        dprintf(file, "\n");
        close(file);
    }
}

}  // namespace

// syslog is a macro or an inline function where the C library is fortified.
#undef syslog

extern "C" __attribute__((visibility("default"))) void fake_syslog(int priority,
                                                                   const char* format, ...)
    __asm__("syslog");
extern "C" __attribute__((visibility("default"))) void fake_syslog_chk(int priority, int,
                                                                       const char* format, ...)
    __asm__("__syslog_chk");

void fake_syslog(int priority, const char* format, ...)
{
    std::va_list arguments;
    va_start(arguments, format);
    append(priority, format, arguments);
    va_end(arguments);
}

void fake_syslog_chk(int priority, int, const char* format, ...)
{
    std::va_list arguments;
    va_start(arguments, format);
    append(priority, format, arguments);
    va_end(arguments);
}
