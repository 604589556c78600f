// SPDX-License-Identifier: Apache-2.0
// Pipes: order, limits, ends.
#include "socket/pipe.h"

#include "socket/testing/scripted_stack.h"

namespace mtcp::socket::testing {
namespace {

class PipeTest : public ApplicationTest {
  protected:
    void SetUp() override {
        ApplicationTest::SetUp();
        ASSERT_EQ(make_pipe(*app, reader, writer), 0);
        d(reader).non_blocking = d(writer).non_blocking = 1;
    }
    void close_end(int id) {
        close_pipe_end(*app, d(id));
        app->release(d(id));
    }
    int reader = -1;
    int writer = -1;
    std::string text;
};

TEST_F(PipeTest, BytesComeOutInOrderAcrossTheEndOfTheBuffer) {
    std::string in;
    std::string out;
    for (int round = 0; round < 40; ++round) {
        std::string part;
        for (int i = 0; i < 7001; ++i)
            part += static_cast<char>('a' + (round * 31 + i) % 26);
        ASSERT_EQ(write(writer, part), 7001);
        in += part;
        ASSERT_EQ(read(reader, text, 7001), 7001);
        out += text;
    }
    EXPECT_EQ(in, out);
}

TEST_F(PipeTest, AFullPipeTakesNoMoreAndShortWritesAreWhole) {
    EXPECT_EQ(write(writer, std::string(100'000, 'x')), 65'536);
    EXPECT_EQ(write(writer, "x"), -EAGAIN);
    EXPECT_EQ(read(reader, text, 100), 100);
    EXPECT_EQ(write(writer, std::string(101, 'x')), -EAGAIN);
    EXPECT_EQ(write(writer, std::string(100, 'x')), 100);
    EXPECT_EQ(readable_bytes(*app, d(reader)), 65'536u);
}

TEST_F(PipeTest, EndsAreOneWay) {
    EXPECT_EQ(write(reader, "x"), -EBADF);
    EXPECT_EQ(read(writer, text), -EBADF);
}

TEST_F(PipeTest, ClosedEndsAreToldToTheOther) {
    EXPECT_EQ(read(reader, text), -EAGAIN);
    ASSERT_EQ(write(writer, "rest"), 4);
    close_end(writer);
    EXPECT_EQ(read(reader, text), 4);
    EXPECT_EQ(read(reader, text), 0);
    close_end(reader);
    ASSERT_EQ(make_pipe(*app, reader, writer), 0);
    close_end(reader);
    EXPECT_EQ(write(writer, "x"), -EPIPE);
}

TEST_F(PipeTest, ABlockingCallThatWouldWaitForEverIsRefused) {
    d(reader).non_blocking = 0;
    EXPECT_EQ(read(reader, text), -EDEADLK);
    d(writer).non_blocking = 0;
    EXPECT_EQ(write(writer, std::string(65'536, 'x')), 65'536);
    EXPECT_EQ(write(writer, "x"), -EDEADLK);
}

TEST_F(PipeTest, WithoutIdsNothingIsLeftBehind) {
    make(3);
    int a = -1;
    int b = -1;
    ASSERT_EQ(make_pipe(*app, reader, writer), 0);
    EXPECT_EQ(make_pipe(*app, a, b), -EMFILE);
    EXPECT_GE(make_stream(*app), 0);
}

}  // namespace
}  // namespace mtcp::socket::testing
