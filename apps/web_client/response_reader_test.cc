// SPDX-License-Identifier: Apache-2.0
// A right answer is taken, a wrong one is named.
#include "web_client/response_reader.h"

#include <gtest/gtest.h>

#include <string>

namespace load {
namespace {

using Outcome = ResponseReader::Outcome;

std::string answer(const std::string& status, const std::string& body) {
    return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + body;
}

TEST(ResponseReader, TakesARightAnswerInPieces) {
    ResponseReader reader{Expected{.length = 5, .body = "hello"}};
    const std::string text = answer("200 OK", "hello");
    for (std::size_t i = 0; i + 1 < text.size(); ++i) {
        ASSERT_EQ(reader.feed(std::string_view{text}.substr(i, 1)).outcome, Outcome::incomplete);
    }
    EXPECT_EQ(reader.feed(std::string_view{text}.substr(text.size() - 1)).outcome,
              Outcome::complete);
    EXPECT_EQ(reader.body_bytes(), 5U);
    EXPECT_TRUE(reader.keep_alive());
}

TEST(ResponseReader, NamesWhatIsWrong) {
    struct Row {
        std::string text;
        Failure failure;
    };
    for (const Row& row : {
             Row{answer("404 Not Found", "hello"), Failure::bad_status},
             Row{answer("200 OK", "hellO"), Failure::wrong_body},
             Row{answer("200 OK", "hell"), Failure::wrong_length},
             Row{answer("200 OK", "hello!"), Failure::wrong_body},
             Row{"nonsense", Failure::malformed},
         }) {
        ResponseReader reader{Expected{.length = 5, .body = "hello"}};
        EXPECT_EQ(reader.feed(row.text).outcome, Outcome::failed) << row.text;
        EXPECT_EQ(reader.failure(), row.failure) << row.text;
    }
}

TEST(ResponseReader, AnEmptyBodyCanBeExpected) {
    ResponseReader reader{Expected{.length = {}, .body = ""}};
    EXPECT_EQ(reader.feed(answer("200 OK", "")).outcome, Outcome::complete);
    reader.restart();
    EXPECT_EQ(reader.feed(answer("200 OK", "hello")).outcome, Outcome::failed);
    EXPECT_EQ(reader.failure(), Failure::wrong_body);
}

TEST(ResponseReader, AnEarlyEndIsAFailure) {
    ResponseReader cut{Expected{}};
    const std::string text = answer("200 OK", "hello");
    cut.feed(std::string_view{text}.substr(0, text.size() - 1));
    EXPECT_EQ(cut.finish(), Outcome::failed);
    EXPECT_EQ(cut.failure(), Failure::closed_early);
    ResponseReader nothing{Expected{}};
    EXPECT_EQ(nothing.finish(), Outcome::failed);
    ResponseReader no_length{Expected{.length = 5, .body = "hello"}};
    no_length.feed("HTTP/1.0 200 OK\r\n\r\nhello");
    EXPECT_EQ(no_length.finish(), Outcome::complete);
}

}  // namespace
}  // namespace load
