// SPDX-License-Identifier: Apache-2.0
// From the text of a script to its words.
#include "tests/ladder/lexer.h"

#include <cctype>
#include <cstdlib>

namespace mtcp::ladder {
namespace {

bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }
bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

class Lexer {
  public:
    Lexer(std::string_view text, std::vector<Token>& tokens) : text_(text), tokens_(tokens) {}

    bool run(LexerError& error) {
        while (skip_space()) {
            if (!next()) {
                error = {line_, "unfinished quotation"};
                return false;
            }
        }
        if (!error_.empty()) {
            error = {line_, error_};
            return false;
        }
        add(TokenKind::end, "");
        return true;
    }

  private:
    [[nodiscard]] char peek(std::size_t ahead = 0) const {
        return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
    }
    [[nodiscard]] bool starts(std::string_view what) const {
        return text_.substr(at_, what.size()) == what;
    }
    void advance(std::size_t count) {
        for (std::size_t i = 0; i < count && at_ < text_.size(); ++i) {
            if (text_[at_++] == '\n') ++line_;
        }
    }
    Token& add(TokenKind kind, std::string_view text) {
        tokens_.push_back({.kind = kind, .text = std::string(text), .line = line_});
        return tokens_.back();
    }

    // False at the end of the text.
    bool skip_space() {
        while (at_ < text_.size()) {
            if (std::isspace(static_cast<unsigned char>(peek())) != 0) {
                advance(1);
            } else if (starts("//") || (peek() == '#' && (at_ == 0 || text_[at_ - 1] == '\n'))) {
                const std::size_t end = text_.find('\n', at_);
                advance((end == std::string_view::npos ? text_.size() : end) - at_);
            } else if (starts("/*")) {
                const std::size_t end = text_.find("*/", at_ + 2);
                if (end == std::string_view::npos) {
                    error_ = "unfinished comment";
                    return false;
                }
                advance(end + 2 - at_);
            } else {
                return true;
            }
        }
        return false;
    }

    bool next() {
        const char c = peek();
        if (c == '"' || c == '`') return quoted(c);
        if (starts("%{")) return code();
        if (starts("...")) return symbol(TokenKind::ellipsis, 3);
        if (starts("--") && is_word(peek(2))) return word_of(TokenKind::option, 2);
        if (is_digit(c) || (c == '.' && is_digit(peek(1))) || (c == '-' && number_follows())) {
            return number();
        }
        if (is_word(c)) return word_of(TokenKind::word, 0);
        return symbol(TokenKind::symbol, 1);
    }
    [[nodiscard]] bool number_follows() const {
        return is_digit(peek(1)) || (peek(1) == '.' && is_digit(peek(2)));
    }

    bool symbol(TokenKind kind, std::size_t length) {
        add(kind, text_.substr(at_, length));
        advance(length);
        return true;
    }
    bool word_of(TokenKind kind, std::size_t prefix) {
        std::size_t length = prefix;
        while (is_word(peek(length)))
            ++length;
        return symbol(kind, length);
    }
    bool quoted(char quote) {
        std::size_t end = at_ + 1;
        while (end < text_.size() && text_[end] != quote)
            end += text_[end] == '\\' ? 2u : 1u;
        if (end >= text_.size()) return false;
        add(quote == '"' ? TokenKind::string : TokenKind::command,
            text_.substr(at_ + 1, end - at_ - 1));
        advance(end + 1 - at_);
        return true;
    }
    bool code() {
        const std::size_t end = text_.find("}%", at_);
        if (end == std::string_view::npos) return false;
        add(TokenKind::code, text_.substr(at_ + 2, end - at_ - 2));
        advance(end + 2 - at_);
        return true;
    }

    bool number() {
        const std::size_t sign = peek() == '-' ? 1 : 0;
        if (peek(sign) == '0' && peek(sign + 1) == 'x') return hexadecimal(sign);
        std::size_t length = sign;
        while (is_digit(peek(length)))
            ++length;
        // "0...0.2": the points after a number may be an ellipsis.
        const bool fraction = peek(length) == '.' && is_digit(peek(length + 1));
        if (!fraction && is_word(peek(length))) return word_of(TokenKind::word, sign);
        if (fraction) {
            ++length;
            while (is_digit(peek(length)))
                ++length;
        }
        Token& token =
            add(fraction ? TokenKind::decimal : TokenKind::integer, text_.substr(at_, length));
        token.real = std::strtod(token.text.c_str(), nullptr);
        token.number = fraction ? 0 : std::strtoll(token.text.c_str(), nullptr, 10);
        advance(length);
        return true;
    }
    bool hexadecimal(std::size_t sign) {
        std::size_t length = sign + 2;
        while (std::isxdigit(static_cast<unsigned char>(peek(length))) != 0)
            ++length;
        Token& token = add(TokenKind::integer, text_.substr(at_, length));
        token.number = std::strtoll(token.text.c_str(), nullptr, 16);
        token.real = static_cast<double>(token.number);
        advance(length);
        return true;
    }

    std::string_view text_;
    std::vector<Token>& tokens_;
    std::size_t at_ = 0;
    int line_ = 1;
    std::string error_;
};

}  // namespace

bool tokenize(std::string_view text, std::vector<Token>& tokens, LexerError& error) {
    return Lexer(text, tokens).run(error);
}

}  // namespace mtcp::ladder
