// SPDX-License-Identifier: Apache-2.0
// Recursive descent over the words of a script: options, times, calls. Packets: packet_parser.cc.
#include "tests/ladder/parser.h"

#include <cmath>

namespace mtcp::ladder {

bool Parser::parse(Script& script) {
    while (peek().kind == TokenKind::option) {
        if (!script_option(script)) return false;
    }
    while (peek().kind == TokenKind::command)
        script.commands.push_back(take().text);
    while (peek().kind != TokenKind::end) {
        // A command without a time closes a script: it cleans up.
        if (peek().kind == TokenKind::command) {
            take();
            continue;
        }
        Step step;
        step.line = peek().line;
        if (!time(step.time) || !action(step)) return false;
        script.steps.push_back(std::move(step));
    }
    return true;
}

bool Parser::script_option(Script& script) {
    const std::string name = take().text.substr(2);
    std::string value;
    if (accept("=")) {
        value = take().text;
        while (accept("="))
            value += "=" + take().text;
    }
    script.options.emplace_back(name, value);
    return true;
}

bool Parser::seconds_value(Duration& value) {
    const Token& token = peek();
    if (token.kind != TokenKind::integer && token.kind != TokenKind::decimal) {
        return fail("a time in seconds is expected, not '" + token.text + "'");
    }
    value = microseconds(std::llround(take().real * 1e6));
    return true;
}

bool Parser::time(StepTime& time) {
    using Kind = StepTime::Kind;
    if (accept("*")) {
        time.kind = Kind::any;
        return true;
    }
    const bool relative = accept("+");
    time.kind = relative ? Kind::relative : Kind::absolute;
    if (!seconds_value(time.begin)) return false;
    time.end = time.begin;
    if (!accept("~")) return true;
    if (relative && !accept("+")) return fail("the end of a relative range begins with +");
    time.kind = relative ? Kind::relative_range : Kind::absolute_range;
    if (!seconds_value(time.end)) return false;
    return time.end >= time.begin || fail("a range that ends before it begins");
}

bool Parser::action(Step& step) {
    const Token& token = peek();
    switch (token.kind) {
        case TokenKind::command: step.action = CommandStep{take().text}; return true;
        case TokenKind::code: step.action = CodeStep{take().text}; return true;
        case TokenKind::symbol:
            if (token.text == "<" || token.text == ">") {
                PacketStep packet;
                if (!packet_step(packet)) return false;
                step.action = std::move(packet);
                return true;
            }
            break;
        case TokenKind::ellipsis:
        case TokenKind::word: {
            CallStep call;
            if (!call_step(call)) return false;
            step.action = std::move(call);
            return true;
        }
        default: break;
    }
    return fail("a packet, a call, a command or code is expected, not '" + token.text + "'");
}

bool Parser::call_step(CallStep& call) {
    if (peek().kind == TokenKind::ellipsis) {
        take();
        Duration end;
        if (!seconds_value(end)) return false;
        call.end = end;
    }
    if (peek().kind != TokenKind::word) return fail("the name of a call is expected");
    call.name = take().text;
    if (!expect("(")) return false;
    if (!arguments(call.arguments)) return false;
    if (!expect("=") || !expression(call.result)) return false;
    if (peek().kind == TokenKind::word) {
        call.error = take().text;
        if (accept("(")) {  // a note for people: the error's text
            while (peek().kind != TokenKind::end && !accept(")"))
                take();
        }
    }
    return true;
}

// After the opening bracket, up to and with the closing one.
bool Parser::arguments(std::vector<Expression>& list) {
    if (accept(")")) return true;
    do {
        list.emplace_back();
        if (!expression(list.back())) return false;
    } while (accept(","));
    return expect(")");
}

bool Parser::expression(Expression& out) {
    if (!operand(out)) return false;
    while (accept("|")) {
        Expression either{.kind = Expression::Kind::either};
        either.items.push_back(std::move(out));
        either.items.emplace_back();
        if (!operand(either.items.back())) return false;
        out = std::move(either);
    }
    return true;
}

bool Parser::operand(Expression& out) {
    using Kind = Expression::Kind;
    const Token& token = peek();
    switch (token.kind) {
        case TokenKind::ellipsis: take(); return true;
        case TokenKind::integer:
            out.kind = Kind::number;
            out.number = take().number;
            return true;
        case TokenKind::string: return string_operand(out);
        case TokenKind::word:
            out.text = take().text;
            out.kind = Kind::word;
            if (!accept("(")) return true;
            out.kind = Kind::call;
            return arguments(out.items);
        case TokenKind::symbol:
            if (accept("[")) return list_operand(out);
            if (accept("{")) return record_operand(out);
            break;
        default: break;
    }
    return fail("an argument is expected, not '" + token.text + "'");
}

bool Parser::string_operand(Expression& out) {
    out.kind = Expression::Kind::string;
    while (peek().kind == TokenKind::string)
        out.text += take().text;
    return true;
}

bool Parser::list_operand(Expression& out) {
    out.kind = Expression::Kind::list;
    if (accept("]")) return true;
    do {
        out.items.emplace_back();
        if (!expression(out.items.back())) return false;
    } while (accept(","));
    return expect("]");
}

// {name=value, name(size)=value, value ...}
bool Parser::record_operand(Expression& out) {
    out.kind = Expression::Kind::record;
    if (accept("}")) return true;
    do {
        Expression item;
        if (!expression(item)) return false;
        std::string name;
        if (accept("=")) {
            name = item.text;
            item = Expression{};
            if (!expression(item)) return false;
        }
        out.names.push_back(std::move(name));
        out.items.push_back(std::move(item));
    } while (accept(","));
    return expect("}");
}

bool parse_script(std::string_view text, Script& script, ScriptError& error) {
    std::vector<Token> tokens;
    LexerError lexer_error;
    if (!tokenize(text, tokens, lexer_error)) {
        error = {lexer_error.line, lexer_error.what};
        return false;
    }
    Parser parser(std::move(tokens));
    if (parser.parse(script)) return true;
    error = parser.error();
    return false;
}

}  // namespace mtcp::ladder
