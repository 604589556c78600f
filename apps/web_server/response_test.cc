// SPDX-License-Identifier: Apache-2.0
// Ranges, conditional requests and what a HEAD leaves out.
#include "web_server/response.h"

#include <gtest/gtest.h>

#include "web_server/http_date.h"

namespace web {
namespace {

using Kind = ByteRange::Kind;

FileStore::Answer hundred_bytes() {
    auto file = std::make_shared<File>();
    file->content = std::string(100, 'x');
    file->size = 100;
    file->modified.tv_sec = 1'000'000;
    file->last_modified = http_date(1'000'000);
    file->entity_tag = "\"tag\"";
    return {FileStore::Outcome::found, file};
}

Request get() {
    Request request;
    request.method = Method::get;
    request.target = "/";
    request.keep_alive = true;
    return request;
}

TEST(ParseRange, FollowsRfc9110) {
    struct Row {
        const char* text;
        Kind kind;
        std::uint64_t first;
        std::uint64_t end;
    };
    for (const Row& row : {
             Row{"bytes=0-0", Kind::part, 0, 1},
             Row{"bytes=10-19", Kind::part, 10, 20},
             Row{"bytes=90-", Kind::part, 90, 100},
             Row{"bytes=90-1000", Kind::part, 90, 100},
             Row{"bytes=-5", Kind::part, 95, 100},
             Row{"bytes=-500", Kind::part, 0, 100},
             Row{"bytes=100-", Kind::unsatisfiable, 0, 0},
             Row{"bytes=-0", Kind::unsatisfiable, 0, 0},
             Row{"bytes=5-4", Kind::whole, 0, 100},
             Row{"bytes=0-1,3-4", Kind::whole, 0, 100},
             Row{"bytes=a-b", Kind::whole, 0, 100},
             Row{"bytes=18446744073709551616-", Kind::whole, 0, 100},
             Row{"lines=1-2", Kind::whole, 0, 100},
         }) {
        const ByteRange range = parse_range(row.text, 100);
        EXPECT_EQ(range.kind, row.kind) << row.text;
        EXPECT_EQ(range.first, row.first) << row.text;
        EXPECT_EQ(range.end, row.end) << row.text;
    }
    EXPECT_EQ(parse_range("bytes=0-", 0).kind, Kind::unsatisfiable);
}

TEST(Respond, SendsAPartWithItsPlace) {
    Request request = get();
    request.range = "bytes=10-19";
    std::string head;
    const Response response = respond(request, hundred_bytes(), "now", head);
    EXPECT_EQ(response.status, 206);
    EXPECT_EQ(response.first, 10U);
    EXPECT_EQ(response.end, 20U);
    EXPECT_NE(head.find("Content-Range: bytes 10-19/100\r\n"), std::string::npos);
    EXPECT_NE(head.find("Content-Length: 10\r\n"), std::string::npos);
}

TEST(Respond, IgnoresARangeOfAnOlderFile) {
    Request request = get();
    request.range = "bytes=10-19";
    request.if_range = "\"other\"";
    std::string head;
    EXPECT_EQ(respond(request, hundred_bytes(), "now", head).status, 200);
}

TEST(Respond, TellsWhatHasNotChanged) {
    Request request = get();
    std::string head;
    request.if_modified_since = http_date(1'000'000);
    const Response response = respond(request, hundred_bytes(), "now", head);
    EXPECT_EQ(response.status, 304);
    EXPECT_EQ(response.file, nullptr);
    request.if_modified_since = http_date(999'999);
    EXPECT_EQ(respond(request, hundred_bytes(), "now", head).status, 200);
    request.if_modified_since = "yesterday";
    EXPECT_EQ(respond(request, hundred_bytes(), "now", head).status, 200);
    request.if_none_match = "\"a\", \"tag\"";
    EXPECT_EQ(respond(request, hundred_bytes(), "now", head).status, 304);
    // The tag decides where both are there.
    request.if_none_match = "\"a\"";
    request.if_modified_since = http_date(1'000'000);
    EXPECT_EQ(respond(request, hundred_bytes(), "now", head).status, 200);
}

TEST(Respond, LeavesTheBodyOutForHead) {
    Request request = get();
    request.method = Method::head;
    std::string head;
    const Response response = respond(request, hundred_bytes(), "now", head);
    EXPECT_EQ(response.file, nullptr);
    EXPECT_NE(head.find("Content-Length: 100\r\n"), std::string::npos);
    head.clear();
    respond(request, {FileStore::Outcome::missing, nullptr}, "now", head);
    EXPECT_TRUE(head.ends_with("\r\n\r\n"));
}

TEST(Respond, RedirectsToNoOtherHost) {
    Request request = get();
    request.target = "///example.org";
    std::string head;
    respond(request, {FileStore::Outcome::is_directory, nullptr}, "now", head);
    EXPECT_NE(head.find("Location: /example.org/\r\n"), std::string::npos) << head;
}

TEST(Respond, RedirectsToADirectoryAndKeepsTheQuery) {
    Request request = get();
    request.target = "/docs?a=1";
    std::string head;
    const Response response =
        respond(request, {FileStore::Outcome::is_directory, nullptr}, "now", head);
    EXPECT_EQ(response.status, 301);
    EXPECT_NE(head.find("Location: /docs/?a=1\r\n"), std::string::npos);
}

TEST(HttpDate, ReadsWhatItWrites) {
    EXPECT_EQ(http_date(784'111'777), "Sun, 06 Nov 1994 08:49:37 GMT");
    EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), 784'111'777);
    EXPECT_FALSE(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT+1").has_value());
}

}  // namespace
}  // namespace web
