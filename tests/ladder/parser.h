// SPDX-License-Identifier: Apache-2.0
// The parser behind parse_script(): one function a rule of the grammar.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/ladder/lexer.h"
#include "tests/ladder/script.h"

namespace mtcp::ladder {

class Parser {
  public:
    explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}
    [[nodiscard]] bool parse(Script& script);
    [[nodiscard]] const ScriptError& error() const { return error_; }

  private:
    // parser.cc
    bool script_option(Script& script);
    bool seconds_value(Duration& value);
    bool time(StepTime& time);
    bool action(Step& step);
    bool call_step(CallStep& call);
    bool arguments(std::vector<Expression>& list);
    bool expression(Expression& out);
    bool operand(Expression& out);
    bool string_operand(Expression& out);
    bool list_operand(Expression& out);
    bool record_operand(Expression& out);

    // packet_parser.cc
    bool packet_step(PacketStep& packet);
    bool ip_info(PacketStep& packet);
    bool tcp_packet(PacketStep& packet);
    bool icmp_packet(PacketStep& packet);
    bool flags(TcpSpec& tcp);
    bool sequence(std::uint32_t& begin, std::uint32_t& length);
    bool options(TcpSpec& tcp);
    bool option(OptionSpec& option);
    bool timestamps(OptionSpec& option);
    bool sack_blocks(OptionSpec& option);
    bool bounded(std::int64_t limit, std::int64_t& value);
    template <typename T>
    bool integer(T& value) {
        std::int64_t wide = 0;
        if (!bounded(static_cast<std::int64_t>(static_cast<T>(-1)), wide)) return false;
        value = static_cast<T>(wide);
        return true;
    }

    [[nodiscard]] const Token& peek(std::size_t ahead = 0) const {
        return tokens_[at_ + ahead < tokens_.size() ? at_ + ahead : tokens_.size() - 1];
    }
    const Token& take() {
        const Token& token = peek();
        if (at_ + 1 < tokens_.size()) ++at_;
        return token;
    }
    [[nodiscard]] bool is(std::string_view text) const {
        return (peek().kind == TokenKind::symbol || peek().kind == TokenKind::word) &&
               peek().text == text;
    }
    bool accept(std::string_view text) {
        if (!is(text)) return false;
        take();
        return true;
    }
    bool expect(std::string_view text) {
        if (accept(text)) return true;
        return fail("'" + std::string(text) + "' is expected, not '" + peek().text + "'");
    }
    bool fail(std::string what) {
        error_ = {peek().line, std::move(what)};
        return false;
    }

    std::vector<Token> tokens_;
    std::size_t at_ = 0;
    ScriptError error_;
};

}  // namespace mtcp::ladder
