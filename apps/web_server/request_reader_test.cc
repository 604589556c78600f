// SPDX-License-Identifier: Apache-2.0
// Requests whole, in pieces, pipelined, and every way to be refused.
#include "web_server/request_reader.h"

#include <gtest/gtest.h>

namespace web {
namespace {

using Outcome = RequestReader::Outcome;

const RequestReader::Limits kSmall{.target = 64, .head = 256, .body = 16};

Outcome outcome_of(std::string_view text) {
    RequestReader reader{kSmall};
    return reader.feed(text).outcome;
}

TEST(RequestReader, TakesOneOfTwoPipelinedRequests) {
    RequestReader reader{kSmall};
    const std::string_view first = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
    const std::string both = std::string{first} + "HEAD /b HTTP/1.1\r\nHost: h\r\n\r\n";
    RequestReader::Step step = reader.feed(both);
    ASSERT_EQ(step.outcome, Outcome::complete);
    EXPECT_EQ(step.used, first.size());
    EXPECT_EQ(reader.request().target, "/a");
    reader.restart();
    step = reader.feed(std::string_view{both}.substr(step.used));
    ASSERT_EQ(step.outcome, Outcome::complete);
    EXPECT_EQ(reader.request().target, "/b");
    EXPECT_EQ(reader.request().method, Method::head);
}

TEST(RequestReader, UnderstandsARequestThatArrivesByteByByte) {
    RequestReader reader{kSmall};
    const std::string_view text =
        "GET /x HTTP/1.1\r\nHost: h\r\nRange: bytes=1-2\r\nIf-None-Match: \"e\"\r\n\r\n";
    for (std::size_t i = 0; i + 1 < text.size(); ++i) {
        ASSERT_EQ(reader.feed(text.substr(i, 1)).outcome, Outcome::incomplete) << i;
    }
    ASSERT_EQ(reader.feed(text.substr(text.size() - 1)).outcome, Outcome::complete);
    EXPECT_EQ(reader.request().range, "bytes=1-2");
    EXPECT_EQ(reader.request().if_none_match, "\"e\"");
    EXPECT_TRUE(reader.request().keep_alive);
}

TEST(RequestReader, RefusesWhatIsTooLongOrMalformed) {
    const std::string head = "GET / HTTP/1.1\r\nHost: h\r\n";
    EXPECT_EQ(outcome_of("GET /" + std::string(64, 'a') + " HTTP/1.1\r\n"),
              Outcome::target_too_long);
    EXPECT_EQ(outcome_of(head + "X: " + std::string(256, 'a')), Outcome::head_too_large);
    std::string many = head;
    for (int i = 0; i < 64; ++i) {
        many += "A:\r\n";
    }
    EXPECT_EQ(outcome_of(many), Outcome::head_too_large);
    EXPECT_EQ(outcome_of(head + "Content-Length: 17\r\n\r\n"), Outcome::body_too_large);
    EXPECT_EQ(outcome_of(head + "Transfer-Encoding: chunked\r\n\r\n11\r\n01234567890123456\r\n"),
              Outcome::body_too_large);
    EXPECT_EQ(outcome_of("GET / HTTP/1.1\r\n\r\n"), Outcome::malformed);  // no Host
    EXPECT_EQ(outcome_of(head + "Host: i\r\n\r\n"), Outcome::malformed);
    EXPECT_EQ(outcome_of(head + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
              Outcome::malformed);
    EXPECT_EQ(outcome_of("nonsense\r\n\r\n"), Outcome::malformed);
    EXPECT_EQ(outcome_of(std::string_view{"\0\1\2", 3}), Outcome::malformed);
    EXPECT_EQ(outcome_of("GET / HTTP/2.0\r\nHost: h\r\n\r\n"), Outcome::version_unsupported);
}

// RFC 9110 §10.1.1: or the client would wait for a word before it sends its body.
TEST(RequestReader, RefusesABodyThatIsAnnouncedAndWaitsForAWord) {
    const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n";
    const auto outcome = [&](const std::string& rest) {
        RequestReader reader{RequestReader::Limits{}};
        return reader.feed(head + rest).outcome;
    };
    EXPECT_EQ(outcome("Content-Length: 5\r\n\r\n"), RequestReader::Outcome::expectation_failed);
    EXPECT_EQ(outcome("Transfer-Encoding: chunked\r\n\r\n"),
              RequestReader::Outcome::expectation_failed);
    EXPECT_EQ(outcome("Content-Length: 0\r\n\r\n"), RequestReader::Outcome::complete);
}

TEST(RequestReader, KeepsAliveAsTheVersionSays) {
    RequestReader reader{kSmall};
    ASSERT_EQ(reader.feed("GET / HTTP/1.0\r\n\r\n").outcome, Outcome::complete);
    EXPECT_FALSE(reader.request().keep_alive);
    reader.restart();
    ASSERT_EQ(reader.feed("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").outcome,
              Outcome::complete);
    EXPECT_FALSE(reader.request().keep_alive);
}

}  // namespace
}  // namespace web
