// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdcrash/explore/picture.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "common/control/json.h"
#include "common/core/interval_set.h"
#include "tools/common/render.h"
#include "tools/nbdcrash/output.h"

namespace resilience::nbdcrash {

using namespace writelog;

namespace {

constexpr std::size_t most_bands = 24;
constexpr double gap = 0.006;  // between bands, of the picture's height

struct Kind {
    const char* name;
    const char* colour;    ///< on white, told apart also by people who see no red or green
    const char* terminal;  ///< escape sequence
    char letter;
};

constexpr std::array<Kind, 4> kinds = {{
    {"write", "#0072b2", "\033[34m", 'w'},
    {"write with FUA", "#d55e00", "\033[33m", 'F'},
    {"zeroes", "#009e73", "\033[32m", '0'},
    {"trim", "#999999", "\033[90m", '-'},
}};

std::size_t kind_number(const Record& record)
{
    if (record.is_discard()) {
        return 3;
    }
    if (record.is_zero()) {
        return 2;
    }
    return record.is_fua() ? 1 : 0;
}

/// Of the beginning of a band.  Two of them are seldom far apart, so to the KiB.
std::string place(std::uint64_t offset)
{
    constexpr std::uint64_t kibibyte = 1024;
    constexpr std::uint64_t most = std::uint64_t{10} << 30;
    return offset == 0 || offset % kibibyte != 0 || offset >= most
               ? tools::format_bytes(offset)
               : fmt::format("{} KiB", offset / kibibyte);
}

/// Joins the nearest stretches until there are few.
void join(std::vector<Band>& bands)
{
    while (bands.size() > most_bands) {
        std::size_t nearest = 0;
        for (std::size_t i = 0; i + 1 < bands.size(); i++) {
            if (bands[i + 1].begin - bands[i].end < bands[nearest + 1].begin - bands[nearest].end) {
                nearest = i;
            }
        }
        bands[nearest].end = bands[nearest + 1].end;
        bands.erase(bands.begin() + static_cast<std::ptrdiff_t>(nearest) + 1);
    }
}

}  // namespace

std::vector<Band> bands_of(const LogIndex& index, std::uint64_t from, std::uint64_t to)
{
    IntervalSet touched(index.reach());
    std::uint64_t largest = 0;
    for (const bool trims : {false, true}) {
        for (std::uint64_t entry = from; entry < to; entry++) {
            const Record& record = index[entry];
            // A trim or zero of everything would leave nothing out.
            const bool is_wide = record.is_discard() || record.is_zero();
            if (record.changes() && is_wide == trims && (!trims || touched.empty())) {
                touched.add({record.offset, record.offset + record.length});
                largest = std::max(largest, record.length);
            }
        }
    }
    std::vector<Band> bands;
    for (const auto& range : touched.ranges()) {
        bands.push_back({range.begin, range.end});
    }
    join(bands);
    // A band's height grows with its size, but slowly: a superblock has to be
    // seen beside a journal.
    double total = 0;
    const auto weight = [](const Band& band) {
        return std::sqrt(static_cast<double>(band.end - band.begin));
    };
    for (const Band& band : bands) {
        total += weight(band);
    }
    const double room = 1 - gap * static_cast<double>(bands.size());
    double at = 0;
    for (Band& band : bands) {
        band.low = at;
        band.high = at + room * (0.4 / static_cast<double>(bands.size()) +
                                 0.6 * weight(band) / total);
        at = band.high + gap;
    }
    return bands;
}

double height_of(const std::vector<Band>& bands, std::uint64_t offset)
{
    for (const Band& band : bands) {
        if (offset < band.begin) {
            return band.low;
        }
        if (offset <= band.end) {
            return band.low + (band.high - band.low) * static_cast<double>(offset - band.begin) /
                                  static_cast<double>(band.end - band.begin);
        }
    }
    return 1;
}

std::string escaped(const std::string& text)
{
    // JSON's writer makes UTF-8 of whatever there is.
    const std::string clean = parse_json(to_line(Json(text)))->get<std::string>();
    std::string result;
    for (const char character : clean) {
        switch (character) {
        case '&': result += "&amp;"; break;
        case '<': result += "&lt;"; break;
        case '>': result += "&gt;"; break;
        case '"': result += "&quot;"; break;
        case '\'': result += "&#39;"; break;
        case '\n':
        case '\t': result += character; break;
        default:
            result += static_cast<unsigned char>(character) < 0x20 ? "\xef\xbf\xbd"
                                                                   : std::string(1, character);
        }
    }
    return result;
}

namespace {

/// The drawing of one SVG; coordinates in pixels.
class Svg {
public:
    Svg(const LogIndex& index, const PictureInput& input)
        : index_(index), input_(input), bands_(bands_of(index, input.from, input.to)),
          top_(std::ranges::any_of(index.marks(), [&](const Mark& mark) {
              return mark.entry >= input.from && mark.entry < input.to;
          }) ? top_with_marks : top_without)
    {
    }

    std::string draw()
    {
        text_ = fmt::format(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" "
            "viewBox=\"0 0 {0} {1}\" font-family=\"sans-serif\" font-size=\"12\">\n"
            "<rect width=\"{0}\" height=\"{1}\" fill=\"#ffffff\"/>\n"
            "<text x=\"{2}\" y=\"24\" font-size=\"16\">{3}</text>\n",
            width, height, left, escaped(input_.title));
        legend();
        draw_bands();
        draw_flushes();
        draw_changes();
        draw_marks();
        draw_bad();
        time_axis();
        return text_ + "</svg>\n";
    }

private:
    static constexpr double width = 1200;
    static constexpr double height = 780;
    static constexpr double left = 120;
    static constexpr double right = 1180;
    static constexpr double top_with_marks = 150;  // their names are slanted
    static constexpr double top_without = 66;
    static constexpr double bottom = 700;

    double x(std::uint64_t entries) const
    {
        const auto range = static_cast<double>(std::max<std::uint64_t>(input_.to - input_.from, 1));
        return left + (right - left) * static_cast<double>(entries - input_.from) / range;
    }
    double y(double at) const { return bottom - (bottom - top_) * at; }

    void legend()
    {
        double at = left;
        const auto item = [&](const char* colour, const std::string& name) {
            text_ += fmt::format("<rect x=\"{:.0f}\" y=\"38\" width=\"12\" height=\"12\" "
                                 "fill=\"{}\"/><text x=\"{:.0f}\" y=\"49\">{}</text>\n",
                                 at, colour, at + 17, name);
            at += 40 + 7.0 * static_cast<double>(name.size());
        };
        for (const Kind& kind : kinds) {
            item(kind.colour, kind.name);
        }
        item("#dddddd", "flush");
        item("#8844aa", "mark");
        item("#cc0000", "bad state; what it lacks");
    }

    void draw_bands()
    {
        double last = height;
        for (const Band& band : bands_) {
            text_ += fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" "
                                 "height=\"{:.1f}\" fill=\"#f4f4f4\"/>\n",
                                 left, y(band.high), right - left, y(band.low) - y(band.high));
            if (last - y(band.low) >= 13) {
                last = y(band.low);
                text_ += fmt::format("<text x=\"{:.0f}\" y=\"{:.1f}\" text-anchor=\"end\" "
                                     "font-size=\"11\">{}</text>\n",
                                     left - 8, last, place(band.begin));
            }
        }
        text_ += fmt::format("<text x=\"20\" y=\"{:.0f}\" transform=\"rotate(-90 20 {:.0f})\" "
                             "text-anchor=\"middle\">place on the device (touched parts)</text>\n",
                             (top_ + bottom) / 2, (top_ + bottom) / 2);
    }

    void draw_flushes()
    {
        std::string path;
        double last = -1;
        for (const std::uint64_t flush : index_.flushes()) {
            if (flush >= input_.from && flush < input_.to && x(flush) - last >= 0.5) {
                last = x(flush);
                path += fmt::format("M{:.1f} {:.0f}V{:.0f}", last, top_, bottom);
            }
        }
        text_ += fmt::format("<path d=\"{}\" stroke=\"#dddddd\" stroke-width=\"1\"/>\n", path);
    }

    void draw_changes()
    {
        const double thick = std::clamp((right - left) / static_cast<double>(
                                            std::max<std::uint64_t>(input_.to - input_.from, 1)),
                                        2.0, 10.0);
        for (std::uint64_t entry = input_.from; entry < input_.to; entry++) {
            const Record& record = index_[entry];
            if (!record.changes()) {
                continue;
            }
            const Kind& kind = kinds[kind_number(record)];
            const double low = y(height_of(bands_, record.offset));
            const double high = y(height_of(bands_, record.offset + record.length));
            const bool wrong = std::ranges::find(input_.bad_entries, entry) !=
                               input_.bad_entries.end();
            text_ += fmt::format(
                "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"{}\"{}>"
                "<title>entry {}: {} of {} bytes at {}</title></rect>\n",
                x(entry), std::min(high, low - 3), thick, std::max(low - high, 3.0), kind.colour,
                wrong ? " stroke=\"#cc0000\" stroke-width=\"3\""
                      : (kind_number(record) >= 2 ? " fill-opacity=\"0.35\"" : ""),
                entry, kind.name, record.length, record.offset);
        }
    }

    void draw_marks()
    {
        // Names are slanted, and where there is no room for one it is left out.
        double last = -100;
        for (const Mark& mark : index_.marks()) {
            if (mark.entry < input_.from || mark.entry >= input_.to) {
                continue;
            }
            const double at = x(mark.entry);
            text_ += fmt::format("<path d=\"M{:.1f} {:.0f}V{:.0f}\" stroke=\"#8844aa\" "
                                 "stroke-width=\"1.5\"><title>{}</title></path>\n",
                                 at, top_ - 8, bottom, escaped("mark " + mark.name));
            if (at - last >= 14) {
                last = at;
                text_ += fmt::format("<text x=\"{0:.1f}\" y=\"{1:.0f}\" fill=\"#8844aa\" "
                                     "font-size=\"11\" transform=\"rotate(-40 {0:.1f} {1:.0f})\">"
                                     "{2}</text>\n",
                                     at + 2, top_ - 10, escaped(mark.name.substr(0, 16)));
            }
        }
    }

    void draw_bad()
    {
        for (const auto& [entries, name] : input_.bad) {
            const double at = x(std::clamp(entries, input_.from, input_.to));
            text_ += fmt::format("<path d=\"M{0:.1f} {2:.0f}l8 8m0 -8l-8 8\" stroke=\"#cc0000\" "
                                 "stroke-width=\"2\"><title>{1}</title></path>\n",
                                 at - 4, escaped("bad: " + name), bottom + 6);
        }
    }

    void time_axis()
    {
        text_ += fmt::format("<path d=\"M{:.0f} {:.0f}H{:.0f}\" stroke=\"#000000\"/>\n", left,
                             bottom + 20, right);
        const std::uint64_t ticks = std::min<std::uint64_t>(10, input_.to - input_.from);
        for (std::uint64_t i = 0; i <= ticks; i++) {
            const std::uint64_t entries =
                input_.from + (input_.to - input_.from) * i / std::max<std::uint64_t>(ticks, 1);
            text_ += fmt::format("<text x=\"{:.0f}\" y=\"{:.0f}\" text-anchor=\"middle\">{}"
                                 "</text>\n",
                                 x(entries), bottom + 37, entries);
        }
        text_ += fmt::format("<text x=\"{:.0f}\" y=\"{:.0f}\" text-anchor=\"middle\">time: entries "
                             "of the log</text>\n",
                             (left + right) / 2, bottom + 58);
    }

    const LogIndex& index_;
    const PictureInput& input_;
    const std::vector<Band> bands_;
    const double top_;
    std::string text_;
};

}  // namespace

std::string svg(const LogIndex& index, const PictureInput& input)
{
    return Svg(index, input).draw();
}

std::string terminal_picture(const LogIndex& index, const PictureInput& input, unsigned columns,
                             unsigned rows, bool colour)
{
    constexpr unsigned label = 11;
    const unsigned across = std::max(columns, label + 10) - label;
    const auto bands = bands_of(index, input.from, input.to);
    const std::uint64_t range = std::max<std::uint64_t>(input.to - input.from, 1);
    const auto column = [&](std::uint64_t entry) {
        return static_cast<unsigned>(std::min<std::uint64_t>((entry - input.from) * across / range,
                                                             across - 1));
    };
    const auto row = [&](double at) {
        return std::min(static_cast<unsigned>(at * rows), rows - 1);
    };
    std::vector<std::string> grid(rows, std::string(across, ' '));
    std::string ruler(across, ' ');
    for (std::uint64_t entry = input.from; entry < input.to; entry++) {
        const Record& record = index[entry];
        if (record.changes()) {
            const unsigned high = row(height_of(bands, record.offset + record.length - 1));
            for (unsigned at = row(height_of(bands, record.offset)); at <= high; at++) {
                char& cell = grid[at][column(entry)];
                const char letter = kinds[kind_number(record)].letter;
                cell = cell == ' ' || letter == 'F' || cell == '-' ? letter : cell;
            }
        }
        char& tick = ruler[column(entry)];
        if (record.is_mark()) {
            tick = '^';
        } else if (record.is_flush() && tick == ' ') {
            tick = '|';
        }
    }
    for (const auto& [entries, name] : input.bad) {
        ruler[column(std::clamp(entries, input.from, input.to) -
                     (entries > input.from ? 1 : 0))] = 'X';
    }
    std::string text = tools::printable(input.title) + "\n";
    for (unsigned at = rows; at-- > 0;) {
        std::string name;
        for (const Band& band : bands) {
            name = row(band.low) == at && name.empty() ? tools::format_bytes(band.begin) : name;
        }
        text += tools::pad(name, label - 1, true) + " ";
        for (const char cell : grid[at]) {
            const auto kind = std::ranges::find(kinds, cell, &Kind::letter);
            text += colour && kind != kinds.end() ? fmt::format("{}{}\033[0m", kind->terminal, cell)
                                                  : std::string(1, cell);
        }
        text += "\n";
    }
    text += std::string(label, ' ') + ruler + "\n" + std::string(label, ' ') +
            fmt::format("{:<{}}{}\n", input.from, across > 8 ? across - 8 : 1, input.to);
    return text + "w write, F write with FUA, 0 zeroes, - trim; below: | flush, ^ mark, "
                  "X bad state; time: entries\n";
}

}  // namespace resilience::nbdcrash
