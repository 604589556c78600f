// SPDX-License-Identifier: Apache-2.0
// The words of a packetdrill script: what the parser reads one after another.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mtcp::ladder {

enum class TokenKind : std::uint8_t {
    word,      // names, and numbers with letters in them (fast open cookies)
    integer,   // number holds it
    decimal,   // real holds it
    string,    // between double quotes; text is without them
    command,   // between back quotes
    code,      // between %{ and }%
    option,    // --name
    ellipsis,  // ...
    symbol,    // any other character
    end
};

struct Token {
    TokenKind kind = TokenKind::end;
    std::string text;  // as written, without quotes
    std::int64_t number = 0;
    double real = 0;
    int line = 0;
};

struct LexerError {
    int line = 0;
    std::string what;
};

// Comments (both of C's kinds, and lines that begin with #) are skipped. The last token is `end`.
// False: `error` says why.
[[nodiscard]] bool tokenize(std::string_view text, std::vector<Token>& tokens, LexerError& error);

}  // namespace mtcp::ladder
