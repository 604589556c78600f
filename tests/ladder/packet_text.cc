// SPDX-License-Identifier: Apache-2.0
// Segments and times as a script writes them.
#include <array>
#include <cstdio>

#include "tests/ladder/packet_codec.h"
#include "wire/segment.h"

namespace mtcp::ladder {
namespace {

std::string option_text(const OptionSpec& option) {
    switch (option.kind) {
        case kOptionEnd: return "eol";
        case kOptionNop: return "nop";
        case kOptionMss: return "mss " + std::to_string(option.value);
        case kOptionWindowScale: return "wscale " + std::to_string(option.value);
        case kOptionSackPermitted: return "sackOK";
        case kOptionTimestamps:
            return "TS val " + std::to_string(option.value) + " ecr " + std::to_string(option.echo);
        case kOptionSack: {
            std::string text = "sack";
            for (const auto& [begin, end] : option.blocks) {
                text += " " + std::to_string(begin) + ":" + std::to_string(end);
            }
            return text;
        }
        default: return "option " + std::to_string(option.kind);
    }
}

std::string seconds_text(Duration d) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.6f", static_cast<double>(d.ns) / 1e9);
    return text.data();
}

}  // namespace

std::string to_text(const TcpSpec& tcp) {
    using wire::Flags;
    std::string text;
    const std::array<std::pair<std::uint8_t, char>, 8> letters{{{Flags::fin, 'F'},
                                                                {Flags::syn, 'S'},
                                                                {Flags::rst, 'R'},
                                                                {Flags::psh, 'P'},
                                                                {Flags::urg, 'U'},
                                                                {Flags::ece, 'E'},
                                                                {Flags::cwr, 'W'},
                                                                {Flags::ack, '.'}}};
    for (const auto& [bit, letter] : letters) {
        if ((tcp.flags & bit) != 0) text += letter;
    }
    if (text.empty()) text = "-";
    text += " " + std::to_string(tcp.seq) + ":" + std::to_string(tcp.seq + tcp.payload) + "(" +
            std::to_string(tcp.payload) + ")";
    if ((tcp.flags & Flags::ack) != 0) text += " ack " + std::to_string(tcp.ack);
    if (tcp.window) text += " win " + std::to_string(*tcp.window);
    if (tcp.urgent != 0) text += " urg " + std::to_string(tcp.urgent);
    if (tcp.any_options) return text + " <...>";
    for (std::size_t i = 0; i < tcp.options.size(); ++i) {
        text += (i == 0 ? " <" : ",") + option_text(tcp.options[i]);
    }
    return tcp.options.empty() ? text : text + ">";
}

std::string to_text(const StepTime& time) {
    using Kind = StepTime::Kind;
    switch (time.kind) {
        case Kind::absolute: return seconds_text(time.begin);
        case Kind::relative: return "+" + seconds_text(time.begin);
        case Kind::absolute_range: return seconds_text(time.begin) + "~" + seconds_text(time.end);
        case Kind::relative_range:
            return "+" + seconds_text(time.begin) + "~+" + seconds_text(time.end);
        case Kind::any: break;
    }
    return "*";
}

}  // namespace mtcp::ladder
