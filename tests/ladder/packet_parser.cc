// SPDX-License-Identifier: Apache-2.0
// The packets of a script: "< P. 1:1001(1000) ack 1 win 257 <nop,nop,TS val 200 ecr 100>".
#include <array>
#include <cstdlib>

#include "tests/ladder/parser.h"
#include "wire/segment.h"

namespace mtcp::ladder {
namespace {

struct FlagLetter {
    char letter;
    std::uint8_t bit;
};
constexpr std::array<FlagLetter, 8> kFlagLetters{{{'F', wire::Flags::fin},
                                                  {'S', wire::Flags::syn},
                                                  {'R', wire::Flags::rst},
                                                  {'P', wire::Flags::psh},
                                                  {'.', wire::Flags::ack},
                                                  {'U', wire::Flags::urg},
                                                  {'E', wire::Flags::ece},
                                                  {'W', wire::Flags::cwr}}};

struct IcmpName {
    std::string_view name;
    std::uint8_t value;
};
constexpr std::array<IcmpName, 3> kIcmpTypes{
    {{"unreachable", 3}, {"source_quench", 4}, {"time_exceeded", 11}}};
constexpr std::array<IcmpName, 7> kIcmpCodes{{{"net_unreachable", 0},
                                              {"host_unreachable", 1},
                                              {"protocol_unreachable", 2},
                                              {"port_unreachable", 3},
                                              {"frag_needed", 4},
                                              {"source_route_failed", 5},
                                              {"host_prohibited", 10}}};

template <std::size_t N>
bool look_up(const std::array<IcmpName, N>& table, const std::string& name, std::uint8_t& value) {
    for (const IcmpName& entry : table) {
        if (entry.name == name) {
            value = entry.value;
            return true;
        }
    }
    return false;
}

}  // namespace

bool Parser::bounded(std::int64_t limit, std::int64_t& value) {
    if (peek().kind != TokenKind::integer || peek().number < 0 || peek().number > limit) {
        return fail("a number up to " + std::to_string(limit) + " is expected, not '" +
                    peek().text + "'");
    }
    value = take().number;
    return true;
}

bool Parser::packet_step(PacketStep& packet) {
    packet.direction = take().text == "<" ? Direction::to_stack : Direction::from_stack;
    if (!ip_info(packet)) return false;
    if (accept("icmp")) return icmp_packet(packet);
    return tcp_packet(packet);
}

// [noecn] [ect0] [ect1] [ce] [tos 0x10] [ttl 64], in round or square brackets
bool Parser::ip_info(PacketStep& packet) {
    if (!is("[") && !is("(")) return true;
    const std::string close = take().text == "[" ? "]" : ")";
    do {
        const std::string what = take().text;
        std::uint8_t value = 0;
        if (what == "noecn" || what == "ect0" || what == "ect1" || what == "ce") {
            packet.ecn = static_cast<std::uint8_t>(what == "ect1"   ? 1
                                                   : what == "ect0" ? 2
                                                   : what == "ce"   ? 3
                                                                    : 0);
        } else if (what == "tos" && integer(value)) {
            packet.tos = value;
        } else if (what == "ttl" && integer(value)) {
            packet.ttl = value;
        } else {
            return fail("IP property '" + what + "' is not understood");
        }
    } while (accept(","));
    return expect(close);
}

bool Parser::tcp_packet(PacketStep& packet) {
    TcpSpec tcp;
    if (peek().kind == TokenKind::integer && peek(1).text == ">") {
        PortsSpec ports;
        if (!integer(ports.source) || !expect(">") || !integer(ports.destination)) return false;
        packet.ports = ports;
    }
    if (!flags(tcp) || !sequence(tcp.seq, tcp.payload)) return false;
    if (accept("ack") && !integer(tcp.ack)) return false;
    if (accept("win")) {
        std::uint16_t window = 0;
        if (!integer(window)) return false;
        tcp.window = window;
    }
    if (accept("urg") && !integer(tcp.urgent)) return false;
    if (is("<") && !options(tcp)) return false;
    packet.content = std::move(tcp);
    return true;
}

bool Parser::flags(TcpSpec& tcp) {
    if (accept("-")) return true;
    std::string letters;
    if (peek().kind == TokenKind::word) letters = take().text;
    if (accept(".")) letters += '.';
    if (letters.empty()) return fail("TCP flags are expected, not '" + peek().text + "'");
    for (const char letter : letters) {
        bool known = false;
        for (const FlagLetter& entry : kFlagLetters) {
            if (entry.letter != letter) continue;
            tcp.flags |= entry.bit;
            known = true;
        }
        if (!known) return fail(std::string("unknown TCP flag ") + letter);
    }
    return true;
}

bool Parser::sequence(std::uint32_t& begin, std::uint32_t& length) {
    std::uint32_t end = 0;
    if (!integer(begin) || !expect(":") || !integer(end) || !expect("(") || !integer(length) ||
        !expect(")")) {
        return false;
    }
    return end == begin + length || fail("sequence numbers and length contradict each other");
}

bool Parser::options(TcpSpec& tcp) {
    if (!expect("<")) return false;
    if (peek().kind == TokenKind::ellipsis) {
        take();
        tcp.any_options = true;
        return expect(">");
    }
    do {
        tcp.options.emplace_back();
        if (!option(tcp.options.back())) return false;
    } while (accept(","));
    return expect(">");
}

bool Parser::option(OptionSpec& option) {
    const std::string name = peek().text;
    if (peek().kind != TokenKind::word) return fail("the name of a TCP option is expected");
    take();
    if (name == "eol") {
        option.kind = kOptionEnd;
    } else if (name == "nop") {
        option.kind = kOptionNop;
    } else if (name == "sackOK") {
        option.kind = kOptionSackPermitted;
    } else if (name == "mss") {
        option.kind = kOptionMss;
        std::uint16_t mss = 0;
        if (!integer(mss)) return false;
        option.value = mss;
    } else if (name == "wscale") {
        option.kind = kOptionWindowScale;
        std::uint8_t shift = 0;
        if (!integer(shift)) return false;
        option.value = shift;
    } else if (name == "TS") {
        return timestamps(option);
    } else if (name == "sack") {
        return sack_blocks(option);
    } else if (name == "FO" || name == "FOEXP") {
        option.kind = name == "FO" ? kOptionFastOpen : kOptionExperiment;
        if (name == "FOEXP") option.bytes = {0xf9, 0x89};
        const bool cookie = peek().kind == TokenKind::word || peek().kind == TokenKind::integer;
        const std::string digits = cookie ? take().text : "";
        for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
            option.bytes.push_back(
                static_cast<std::uint8_t>(std::strtoul(digits.substr(i, 2).c_str(), nullptr, 16)));
        }
    } else {
        return fail("TCP option '" + name + "' is not understood");
    }
    return true;
}

bool Parser::timestamps(OptionSpec& option) {
    option.kind = kOptionTimestamps;
    return expect("val") && integer(option.value) && expect("ecr") && integer(option.echo);
}

bool Parser::sack_blocks(OptionSpec& option) {
    option.kind = kOptionSack;
    while (peek().kind == TokenKind::integer) {
        std::pair<std::uint32_t, std::uint32_t> block;
        if (!integer(block.first) || !expect(":") || !integer(block.second)) return false;
        option.blocks.push_back(block);
    }
    return !option.blocks.empty() || fail("sack without a block");
}

bool Parser::icmp_packet(PacketStep& packet) {
    IcmpSpec icmp;
    const std::string type = take().text;
    if (!look_up(kIcmpTypes, type, icmp.type)) return fail("ICMP type '" + type + "'");
    if (peek().kind == TokenKind::word && !is("mtu")) {
        const std::string code = take().text;
        if (!look_up(kIcmpCodes, code, icmp.code)) return fail("ICMP code '" + code + "'");
    }
    if (accept("mtu") && !integer(icmp.mtu)) return false;
    if (accept("[")) {
        if (!sequence(icmp.seq, icmp.payload) || !expect("]")) return false;
    }
    packet.content = icmp;
    return true;
}

}  // namespace mtcp::ladder
