// SPDX-License-Identifier: Apache-2.0
// Segments as text.
#include "wire/print.h"

#include <charconv>
#include <cstring>

namespace mtcp::wire {
namespace {

void append(SegmentText& text, std::string_view words) {
    const std::size_t room = text.characters.size() - text.length;
    const std::size_t count = words.size() < room ? words.size() : room;
    std::memcpy(text.characters.data() + text.length, words.data(), count);
    text.length += count;
}

void append(SegmentText& text, std::uint32_t number) {
    char digits[10];
    const std::to_chars_result result = std::to_chars(digits, digits + sizeof digits, number);
    append(text, std::string_view{digits, static_cast<std::size_t>(result.ptr - digits)});
}

void append_flags(SegmentText& text, Flags flags) {
    struct Letter {
        std::uint8_t bit;
        std::string_view letter;
    };
    constexpr std::array<Letter, 8> kLetters{{{Flags::syn, "S"},
                                              {Flags::fin, "F"},
                                              {Flags::rst, "R"},
                                              {Flags::psh, "P"},
                                              {Flags::urg, "U"},
                                              {Flags::ece, "E"},
                                              {Flags::cwr, "W"},
                                              {Flags::ack, "."}}};
    if (flags.bits == 0) append(text, "none");
    for (const Letter& l : kLetters) {
        if (flags.has(l.bit)) append(text, l.letter);
    }
}

// Commas between the options, brackets around them.
class OptionList {
  public:
    explicit OptionList(SegmentText& text) : text_(text) {}
    OptionList(const OptionList&) = delete;
    OptionList& operator=(const OptionList&) = delete;
    ~OptionList() {
        if (!first_) append(text_, ">");
    }
    SegmentText& next(std::string_view name) {
        append(text_, first_ ? " <" : ",");
        first_ = false;
        append(text_, name);
        return text_;
    }

  private:
    SegmentText& text_;
    bool first_ = true;
};

void append_options(SegmentText& text, const Options& options) {
    OptionList list(text);
    if (options.mss != 0) append(list.next("mss "), options.mss);
    if (options.sack_permitted) list.next("sackOK");
    if (options.timestamps) {
        append(list.next("TS val "), options.ts_value);
        append(text, " ecr ");
        append(text, options.ts_echo);
    }
    if (options.window_shift != kNoWindowShift) append(list.next("wscale "), options.window_shift);
    if (options.fast_open_length <= options.fast_open_cookie.size()) {
        append(list.next(options.fast_open_experimental ? "FOEXP " : "FO "),
               options.fast_open_length);
    }
    for (std::size_t i = 0; i < options.sack_count; ++i) {
        if (i == 0) {
            list.next("sack ");
        } else {
            append(text, " ");
        }
        append(text, options.sack[i].begin.raw);
        append(text, ":");
        append(text, options.sack[i].end.raw);
    }
}

template <typename AnySegment>
SegmentText print_line(const AnySegment& segment, std::uint32_t payload) {
    SegmentText text;
    append_flags(text, segment.flags);
    append(text, " ");
    append(text, segment.seq.raw);
    append(text, ":");
    append(text, segment.seq.raw + payload);
    append(text, "(");
    append(text, payload);
    append(text, ")");
    if (segment.flags.has(Flags::ack)) {
        append(text, " ack ");
        append(text, segment.ack.raw);
    }
    append(text, " win ");
    append(text, segment.window);
    if (segment.flags.has(Flags::urg)) {
        append(text, " urg ");
        append(text, segment.urgent);
    }
    append_options(text, segment.options);
    return text;
}

}  // namespace

SegmentText print(const Segment& segment) {
    return print_line(segment, static_cast<std::uint32_t>(segment.payload.size()));
}
SegmentText print(const OutgoingSegment& segment) {
    return print_line(segment, segment.data_length);
}

}  // namespace mtcp::wire
