// SPDX-License-Identifier: Apache-2.0
// A packetdrill script as data: what happens when, which segments pass, what calls answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/time.h"

namespace mtcp::ladder {

struct StepTime {
    enum class Kind : std::uint8_t {
        absolute,        // since the script began
        relative,        // since the step before
        absolute_range,  // begin~end
        relative_range,  // +begin~+end
        any              // *
    };
    Kind kind = Kind::relative;
    Duration begin{};
    Duration end{};  // of a range
};

// A TCP option as it is written; the order and the padding count.
struct OptionSpec {
    std::uint8_t kind = 0;                                        // as on the wire
    std::uint32_t value = 0;                                      // MSS, shift count, TS val
    std::uint32_t echo = 0;                                       // TS ecr
    std::vector<std::pair<std::uint32_t, std::uint32_t>> blocks;  // SACK, relative numbers
    std::vector<std::uint8_t> bytes;                              // body of any other kind
    friend bool operator==(const OptionSpec&, const OptionSpec&) = default;
};

enum class Direction : std::uint8_t { to_stack, from_stack };  // '<', '>'

struct PortsSpec {
    std::uint16_t source = 0;
    std::uint16_t destination = 0;
};

struct TcpSpec {
    std::uint8_t flags = 0;  // wire::Flags bits
    std::uint32_t seq = 0;
    std::uint32_t payload = 0;
    std::uint32_t ack = 0;
    std::optional<std::uint16_t> window;
    std::uint16_t urgent = 0;
    std::vector<OptionSpec> options;
    bool any_options = false;  // <...>
};

struct IcmpSpec {
    std::uint8_t type = 0;
    std::uint8_t code = 0;
    std::uint16_t mtu = 0;
    std::uint32_t seq = 0;  // of the segment quoted
    std::uint32_t payload = 0;
};

struct PacketStep {
    Direction direction = Direction::to_stack;
    std::optional<std::uint8_t> tos;  // the whole octet
    std::optional<std::uint8_t> ecn;  // the ECN bits alone
    std::optional<std::uint8_t> ttl;
    std::optional<PortsSpec> ports;
    std::variant<TcpSpec, IcmpSpec> content;
};

// An argument or result of a call.
struct Expression {
    enum class Kind : std::uint8_t { ellipsis, number, word, string, list, record, call, either };
    Kind kind = Kind::ellipsis;
    std::int64_t number = 0;
    std::string text;                // word, string, name of a call
    std::vector<Expression> items;   // list, record, arguments, operands of |
    std::vector<std::string> names;  // record: of each item, empty for none
};

struct CallStep {
    std::string name;
    std::vector<Expression> arguments;
    Expression result;
    std::string error;            // "EAGAIN"; empty: none
    std::optional<Duration> end;  // of a call that blocks, counted as StepTime::begin is
};

struct CommandStep {
    std::string text;
};

// Python for the real tool; the asserts about tcpi_ fields are understood here.
struct CodeStep {
    std::string text;
};

struct Step {
    int line = 0;
    StepTime time;
    std::variant<PacketStep, CallStep, CommandStep, CodeStep> action;
};

struct Script {
    std::vector<std::pair<std::string, std::string>> options;  // --name=value
    std::vector<std::string> commands;                         // before the first step
    std::vector<Step> steps;
};

struct ScriptError {
    int line = 0;
    std::string what;
};

// False: `error` says what is wrong and where.
[[nodiscard]] bool parse_script(std::string_view text, Script& script, ScriptError& error);

inline constexpr std::uint8_t kOptionEnd = 0;
inline constexpr std::uint8_t kOptionNop = 1;
inline constexpr std::uint8_t kOptionMss = 2;
inline constexpr std::uint8_t kOptionWindowScale = 3;
inline constexpr std::uint8_t kOptionSackPermitted = 4;
inline constexpr std::uint8_t kOptionSack = 5;
inline constexpr std::uint8_t kOptionTimestamps = 8;
inline constexpr std::uint8_t kOptionFastOpen = 34;
inline constexpr std::uint8_t kOptionExperiment = 254;

}  // namespace mtcp::ladder
