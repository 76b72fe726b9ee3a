// SPDX-License-Identifier: BSD-3-Clause
//
// logdump [--ext] [--whole] LOG            one line per entry
// logdump --replay TARGET [--entries N] LOG  carries entries out on a file
//
// An independent reader of logs, with the rules of the old programs and no code
// of ours: it accepts what both versions of replay-log accept, and nothing else.
// What it prints:
//
//     NUMBER POSITION SECTOR+SECTORS FLAGS [TEXT]
//
// and with --ext, for headers that have our extension, what is in it.  --whole
// goes on behind the counted entries as long as there are extensions.  Exit
// status: 0; 1 the log is malformed, and where; 2 wrong usage.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace {

/// What replay-log reads with one read(2).
constexpr std::uint64_t largest_read = 2147479552;

struct Malformed : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct Header {
    std::uint64_t sector, sectors, flags, data_length;
};

class Log {
public:
    explicit Log(const std::string& path) : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC))
    {
        if (fd_ < 0) {
            throw Malformed("cannot open " + path);
        }
        std::array<unsigned char, 32> super = {};
        read(0, super.data(), super.size());
        if (word(super.data()) != 0x006a736677736872) {
            throw Malformed("Magic doesn't match");
        }
        if (word(super.data() + 8) != 1) {
            throw Malformed("Version mismatch");
        }
        entries_ = word(super.data() + 16);
        std::memcpy(&ss_, super.data() + 24, 4);
        if (ss_ < 512) {
            throw Malformed("sector size");
        }
        if (entries_ == 0) {
            throw Malformed("Invalid entry number");
        }
        position_ = ss_;
    }
    ~Log() { close(fd_); }
    Log(const Log&) = delete;
    Log& operator=(const Log&) = delete;

    /// False at the end.
    bool next(bool whole)
    {
        if (number_ >= entries_ && !whole) {
            return false;
        }
        bytes_.resize(ss_);
        if (number_ >= entries_ && !has(position_ + ss_)) {
            return false;
        }
        read(position_, bytes_.data(), ss_);
        header = {word(bytes_.data()), word(bytes_.data() + 8), word(bytes_.data() + 16),
                  word(bytes_.data() + 24)};
        if (number_ >= entries_ && !extension()) {
            return false;
        }
        check();
        body = position_ + ss_;
        line = fmt::format("{} {} {}+{} {}", number_, position_, header.sector, header.sectors,
                           flags_text());
        position_ = body + body_length();
        number_++;
        return true;
    }

    std::uint64_t body_length() const
    {
        return (header.flags & 4) != 0 ? 0 : header.sectors * ss_;
    }

    /// Of this header, or null.
    const unsigned char* extension() const
    {
        const unsigned char* at = bytes_.data() + ((header.flags & 8) != 0 ? 512 - 80 : 40);
        return std::memcmp(at, "NBLX", 4) == 0 ? at : nullptr;
    }

    std::string extension_text() const
    {
        const unsigned char* at = extension();
        if (at == nullptr) {
            return "bare";
        }
        constexpr std::array kinds = {"unknown", "write", "zero", "zero-unmap",
                                      "trim",    "flush", "mark"};
        std::uint32_t connection = 0;
        std::memcpy(&connection, at + 56, 4);
        return fmt::format("{} {}+{} c{}{}{}{} {}-{}", kinds.at(at[6]), word(at + 40),
                           word(at + 48), connection, (at[7] & 1) != 0 ? " fua" : "",
                           (at[7] & 2) != 0 ? " first" : "", (at[7] & 4) != 0 ? " last" : "",
                           word(at + 8), word(at + 16));
    }

    void read(std::uint64_t position, void* into, std::size_t length) const
    {
        if (pread(fd_, into, length, static_cast<off_t>(position)) !=
            static_cast<ssize_t>(length)) {
            throw Malformed(fmt::format("entry {} at byte {}: the log ends", number_, position_));
        }
    }

    Header header = {};
    std::uint64_t body = 0;
    std::string line;
    std::uint32_t sector_size() const { return ss_; }

private:
    static std::uint64_t word(const unsigned char* at)
    {
        std::uint64_t value = 0;
        std::memcpy(&value, at, 8);
        return value;
    }

    bool has(std::uint64_t end) const
    {
        struct stat st = {};
        return fstat(fd_, &st) == 0 && end <= static_cast<std::uint64_t>(st.st_size);
    }

    void check() const
    {
        const auto bad = [&](const char* what) {
            throw Malformed(fmt::format("entry {} at byte {}: {}", number_, position_, what));
        };
        if ((header.flags & ~31ULL) != 0) {
            bad("unknown flags");
        }
        if ((header.flags & 8) != 0) {
            if (header.flags != 8) bad("a mark with other flags");
            if (header.sector != 0 || header.sectors != 0) bad("a mark with sectors");
            if (header.data_length == 0 || header.data_length > ss_ - 33) bad("length of a mark");
            if (bytes_[32 + header.data_length] != 0) bad("no NUL behind a mark");
            return;
        }
        if (header.flags == 0 && header.sectors == 0) {
            bad("neither flags nor sectors");
        }
        if (header.data_length != 0) {
            bad("data_len of a non-mark");
        }
        if (std::any_of(bytes_.begin() + 32, bytes_.begin() + 40,
                        [](unsigned char c) { return c != 0; })) {
            bad("padding of a non-mark");
        }
        if (body_length() > largest_read || !has(position_ + ss_ + body_length())) {
            bad("body");
        }
    }

    std::string flags_text() const
    {
        if ((header.flags & 8) != 0) {
            return "MARK " + std::string(reinterpret_cast<const char*>(bytes_.data() + 32),
                                         header.data_length);
        }
        constexpr std::array names = {"FLUSH", "FUA", "DISCARD", "MARK", "METADATA"};
        std::string text;
        for (std::size_t i = 0; i < names.size(); i++) {
            if ((header.flags >> i & 1) != 0) {
                text += (text.empty() ? "" : ",") + std::string(names[i]);
            }
        }
        return text.empty() ? "NONE" : text;
    }

    int fd_;
    std::uint32_t ss_ = 0;
    std::uint64_t entries_ = 0;
    std::uint64_t number_ = 0;
    std::uint64_t position_ = 0;
    std::vector<unsigned char> bytes_;
};

/// Writes the entry's body to `fd`, whose size does not change.
void carry_out(const Log& log, int fd, std::uint64_t size)
{
    const std::uint64_t start = log.header.sector * log.sector_size();
    const std::uint64_t end =
        std::min(size, start + log.header.sectors * log.sector_size());
    const bool discard = (log.header.flags & 4) != 0;
    std::vector<char> piece;
    for (std::uint64_t at = start; at < end; at += piece.size()) {
        piece.assign(std::min<std::uint64_t>(end - at, 1 << 20), 0);
        if (!discard) {
            log.read(log.body + (at - start), piece.data(), piece.size());
        }
        if (pwrite(fd, piece.data(), piece.size(), static_cast<off_t>(at)) !=
            static_cast<ssize_t>(piece.size())) {
            throw Malformed("the target cannot be written");
        }
    }
}

}  // namespace

int main(int argc, char** argv)
try {
    std::string path;
    std::string target;
    bool extension = false;
    bool whole = false;
    std::uint64_t entries = ~0ULL;
    CLI::App app{"What is in a log, as the old programs see it"};
    app.add_option("log", path)->required();
    app.add_option("--replay", target, "a file that is large enough");
    app.add_option("--entries", entries, "how many");
    app.add_flag("--ext", extension);
    app.add_flag("--whole", whole);
    CLI11_PARSE(app, argc, argv);

    Log log(path);
    const int fd = target.empty() ? -1 : open(target.c_str(), O_RDWR | O_CLOEXEC);
    const auto size = target.empty() ? 0 : static_cast<std::uint64_t>(lseek(fd, 0, SEEK_END));
    for (std::uint64_t i = 0; i < entries && log.next(whole); i++) {
        if (target.empty()) {
            fmt::print("{}{}\n", log.line, extension ? " | " + log.extension_text() : "");
        } else {
            carry_out(log, fd, size);
        }
    }
    return 0;
} catch (const Malformed& error) {
    std::fprintf(stderr, "logdump: %s\n", error.what());
    return 1;
}
