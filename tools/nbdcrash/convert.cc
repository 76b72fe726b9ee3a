// SPDX-License-Identifier: BSD-3-Clause

// convert: the same history in another form, for readers that cannot read the
// one that there is.

#include "tools/nbdcrash/commands.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/control/json.h"
#include "tools/common/progress_line.h"
#include "tools/nbdcrash/log_writer.h"
#include "tools/nbdcrash/output.h"

namespace resilience::nbdcrash {

namespace {

using namespace writelog;

struct ConvertOptions : LogOptions {
    std::string out;
    bool strip_extensions = false;
    std::uint64_t split_discards = 0;  ///< bytes; 0: not
    std::uint64_t split_writes = 0;
    std::uint64_t sector_size = 0;     ///< bytes; 0: as it is
    bool force = false;
};

class Converter {
public:
    Converter(const OpenedLog& log, const ConvertOptions& options)
        : log_(log), options_(options), old_size_(log.file->sector_size()),
          new_size_(options.sector_size != 0 ? static_cast<std::uint32_t>(options.sector_size)
                                             : old_size_),
          writer_(options.out, *log.file, superblock(), options.force)
    {
    }

    void run()
    {
        tools::ProgressLine progress("converting", log_.index->end_position());
        for (std::uint64_t number = 0; number < log_.index->size(); number++) {
            convert(number);
            const Record& record = (*log_.index)[number];
            progress.add(old_size_ * (1 + (record.is_discard() ? 0 : record.sectors)));
        }
        writer_.finish();
    }

    const LogWriter& writer() const { return writer_; }

private:
    Superblock superblock() const
    {
        Superblock super = log_.file->super();
        super.sector_size = new_size_;
        if (options_.strip_extensions) {
            super.extension.reset();
        }
        return super;
    }

    [[noreturn]] void fail(std::uint64_t number, const std::string& why) const
    {
        throw ToolError(fmt::format("{}: entry {} at byte {}: {}", log_.file->path(), number,
                                    (*log_.index)[number].position, why));
    }

    /// In units of the new sector size.
    std::uint64_t rescale(std::uint64_t number, std::uint64_t sectors) const
    {
        if (sectors * old_size_ % new_size_ != 0) {
            fail(number, fmt::format("is not a multiple of {} bytes", new_size_));
        }
        return sectors * old_size_ / new_size_;
    }

    void convert(std::uint64_t number)
    {
        const Record& record = (*log_.index)[number];
        Entry entry = log_.file->entry_at(record.position);
        if (!body_is_intact(*log_.file, record)) {
            fail(number, "its body does not match its checksum");
        }
        entry.sector = rescale(number, entry.sector);
        entry.sectors = rescale(number, entry.sectors);
        if (options_.strip_extensions) {
            entry.extension.reset();
        }
        const std::uint64_t limit =
            entry.is_discard() ? options_.split_discards : options_.split_writes;
        split(entry, record.position + old_size_, limit == 0 ? entry.sectors : limit / new_size_);
    }

    /// Adds `entry` in parts of at most `limit` sectors.
    void split(const Entry& entry, std::uint64_t body, std::uint64_t limit)
    {
        if (entry.sectors <= limit || entry.is_mark()) {
            writer_.add(entry, body);
            return;
        }
        for (std::uint64_t done = 0; done < entry.sectors; done += limit) {
            Entry part = entry;
            part.sector = entry.sector + done;
            part.sectors = std::min(limit, entry.sectors - done);
            if (done != 0) {
                part.flags &= ~static_cast<std::uint64_t>(flag_flush);  // the flush came first
            }
            const std::uint64_t at = body + done * new_size_;
            if (part.extension) {
                clip(*part.extension, part, at);
                part.extension->first = part.extension->first && done == 0;
                part.extension->last = part.extension->last && done + limit >= entry.sectors;
            }
            writer_.add(part, at);
        }
    }

    /// Makes an extension that of a part of its entry.
    void clip(EntryExtension& extension, const Entry& part, std::uint64_t body) const
    {
        const std::uint64_t begin = std::max(extension.offset, part.sector * new_size_);
        const std::uint64_t end = std::min(extension.offset + extension.length,
                                           (part.sector + part.sectors) * new_size_);
        extension.offset = begin;
        extension.length = end > begin ? end - begin : 0;
        if (extension.body_hash != 0) {
            extension.body_hash = hash(body, part.sectors * new_size_);
        }
    }

    std::uint64_t hash(std::uint64_t position, std::uint64_t length) const
    {
        BodyHash hash;
        std::vector<std::byte> buffer(1 << 20);
        while (length > 0) {
            const auto piece =
                std::span(buffer).first(std::min<std::uint64_t>(length, buffer.size()));
            log_.file->read(position, piece);
            hash.add(piece);
            position += piece.size();
            length -= piece.size();
        }
        return hash.value();
    }

    const OpenedLog& log_;
    const ConvertOptions& options_;
    const std::uint32_t old_size_;
    const std::uint32_t new_size_;
    LogWriter writer_;
};

Exit convert(const ConvertOptions& options)
{
    const OpenedLog log = open_whole_log(options);
    Converter converter(log, options);
    converter.run();
    print({{"log", log.file->path()},
           {"out", options.out},
           {"entries", log.index->size()},
           {"out-entries", converter.writer().entries()},
           {"log-bytes", log.index->end_position()},
           {"out-bytes", converter.writer().bytes()}},
          options.json);
    return Exit::ok;
}

void check(const ConvertOptions& options)
{
    if (options.sector_size != 0 && !is_sector_size(options.sector_size, smallest_sector)) {
        throw ToolError(fmt::format("--sector-size={}: must be a power of two from {} to {}",
                                    options.sector_size, smallest_sector, largest_sector));
    }
    for (const auto& [name, value] : {std::pair{"--split-discards", options.split_discards},
                                      std::pair{"--split-writes", options.split_writes}}) {
        if (value != 0 && value % largest_sector != 0) {
            throw ToolError(fmt::format("{}={}: must be a multiple of 8M", name, value));
        }
    }
}

}  // namespace

void add_convert(CLI::App& app, Run& run)
{
    const auto options = std::make_shared<ConvertOptions>();
    CLI::App* command = app.add_subcommand("convert", "The same log for other readers");
    add_log_options(*command, *options);
    command->add_option("OUT", options->out, "The new log")->required();
    command->add_flag("--strip-extensions", options->strip_extensions,
                      "Leave out what only our tools read");
    add_size_option(*command, "--split-discards", options->split_discards,
                    "No discard larger than this; 128M for old replay-logs");
    add_size_option(*command, "--split-writes", options->split_writes,
                    "No write larger than this; 1G for old replay-logs");
    add_size_option(*command, "--sector-size", options->sector_size, "The size of a log sector");
    command->add_flag("--force", options->force, "Replace OUT if it exists");
    command->callback([options, &run] {
        check(*options);
        run = [options] { return convert(*options); };
    });
}

}  // namespace resilience::nbdcrash
