// SPDX-License-Identifier: Apache-2.0
// The interpreter itself: a ladder must be able to fail, and to say where.
#include "tests/ladder/ladder.h"

#include <gmock/gmock.h>

#include "tests/ladder/configuration.h"

namespace mtcp::ladder {
namespace {

constexpr const char* kHandshake = R"(
    0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
   +0 setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0
   +0 bind(3, ..., ...) = 0
   +0 listen(3, 1) = 0
   +0 < S 0:0(0) win 32792 <mss 1000,sackOK,nop,nop,nop,wscale 7>
   +0 > S. 0:0(0) ack 1 <mss 1460,nop,nop,sackOK,nop,wscale 7>
  +.1 < . 1:1(0) ack 1 win 257
   +0 accept(3, ..., ...) = 4
)";

TEST(Ladder, PassiveOpenAnswersASynWithASynAck) { EXPECT_LADDER(kHandshake); }

TEST(Ladder, WrongFlagsAreReportedWithTheLine) {
    const Outcome outcome = run_ladder(R"(
    0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
   +0 bind(3, ..., ...) = 0
   +0 listen(3, 1) = 0
   +0 < S 0:0(0) win 32792 <mss 1000>
   +0 > . 0:0(0) ack 1
)",
                                       ".");
    EXPECT_FALSE(outcome.passed);
    EXPECT_NE(outcome.report.find("line 6: wrong flags"), std::string::npos) << outcome.report;
}

TEST(Ladder, APacketThatNobodyExpectsFails) {
    const Outcome outcome = run_ladder(R"(
    0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
   +0 bind(3, ..., ...) = 0
   +0 listen(3, 1) = 0
   +0 < S 0:0(0) win 32792 <mss 1000>
)",
                                       ".");
    EXPECT_FALSE(outcome.passed);
    EXPECT_NE(outcome.report.find("nobody expected"), std::string::npos) << outcome.report;
}

TEST(Ladder, APacketThatNeverComesFails) {
    const Outcome outcome = run_ladder(R"(
    0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
   +0 bind(3, ..., ...) = 0
   +0 listen(3, 1) = 0
   +1 > R 0:0(0)
)",
                                       ".");
    EXPECT_FALSE(outcome.passed);
    EXPECT_NE(outcome.report.find("sent nothing"), std::string::npos) << outcome.report;
}

TEST(Ladder, ALatePacketFails) {
    const Outcome outcome = run_ladder(R"(
    0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
   +0 bind(3, ..., ...) = 0
   +0 listen(3, 1) = 0
   +0 < S 0:0(0) win 32792 <mss 1000>
   +0 > S. 0:0(0) ack 1 <mss 1460>
  +.9 > S. 0:0(0) ack 1 <mss 1460>
)",
                                       ".");
    EXPECT_FALSE(outcome.passed);
}

TEST(Ladder, AWrongAnswerOfACallFails) {
    const Outcome outcome = run_ladder(R"(
    0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
   +0 listen(99, 1) = 0
)",
                                       ".");
    EXPECT_FALSE(outcome.passed);
    EXPECT_NE(outcome.report.find("EBADF"), std::string::npos) << outcome.report;
}

TEST(Ladder, SyntaxErrorsNameTheLine) {
    const Outcome outcome = run_ladder("\n\n+0 < S 0:5(4) win 1\n", ".");
    EXPECT_FALSE(outcome.passed);
    EXPECT_NE(outcome.report.find("line 3"), std::string::npos) << outcome.report;
}

TEST(Ladder, ABlockingCallLetsPacketsGoOn) {
    EXPECT_LADDER(R"(
    0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
   +0 bind(3, ..., ...) = 0
   +0 listen(3, 1) = 0
   +0...0.200 accept(3, ..., ...) = 4
  +.1 < S 0:0(0) win 32792 <mss 1000,nop,wscale 7>
   +0 > S. 0:0(0) ack 1 <mss 1460,nop,wscale 7>
  +.1 < . 1:1(0) ack 1 win 257
  +.1 write(4, ..., 100) = 100
   +0 > P. 1:101(100) ack 1
)");
}

// The report of a read that begins 0.1 s after the start and blocks until data comes.
std::string report_of_read(const std::string& time, const std::string& data_after) {
    const Outcome outcome = run_ladder(std::string(kHandshake) + "   " + time +
                                           " read(4, ..., 1000) = 1000\n  " + data_after +
                                           " < P. 1:1001(1000) ack 1 win 257\n"
                                           "   +0 > . 1:1(0) ack 1001\n",
                                       ".");
    EXPECT_EQ(outcome.passed, outcome.report.empty());
    return outcome.report;
}

TEST(Ladder, ABlockingCallIsJudgedByItsOwnEnd) {
    using ::testing::HasSubstr;
    EXPECT_EQ(report_of_read("+0...0.100", "+.1"), "");
    EXPECT_THAT(report_of_read("+0...0.100", "+.3"),
                HasSubstr("the call returned at 0.4 s, not at 0.2 s"));
    EXPECT_THAT(report_of_read("+0...0.300", "+.1"),
                HasSubstr("the call returned at 0.2 s, not at 0.4 s"));
    // It blocks, which the script does not say.
    EXPECT_THAT(report_of_read("+0", "+.1"), HasSubstr("the call returned at 0.2 s, not at 0.1 s"));
}

// The report of a handshake and then this code; empty when it passed.
std::string report_of_code(const std::string& code) {
    return run_ladder(std::string(kHandshake) + "   +0 %{ " + code + " }%\n", ".").report;
}

TEST(Ladder, AssertsOfTcpInfoAreJudged) {
    EXPECT_EQ(report_of_code("assert tcpi_snd_mss == 1000, tcpi_snd_mss"), "");
    EXPECT_EQ(report_of_code("assert tcpi_snd_cwnd >= 10; assert tcpi_unacked < 1"), "");
    EXPECT_NE(report_of_code("assert tcpi_snd_mss == 999").find("but it is 1000"),
              std::string::npos);
    EXPECT_NE(
        report_of_code("assert tcpi_snd_mss == 1000; assert tcpi_unacked > 0").find("it is 0"),
        std::string::npos);
}

TEST(Ladder, AssertsOfSingleOptionsAreJudged) {
    EXPECT_EQ(report_of_code("assert (tcpi_options & TCPI_OPT_SACK) != 0, tcpi_options"), "");
    EXPECT_EQ(report_of_code("assert (tcpi_options & TCPI_OPT_SYN_DATA) == 0"), "");
    EXPECT_NE(report_of_code("assert (tcpi_options & TCPI_OPT_SACK) == 0").find("but it is"),
              std::string::npos);
    EXPECT_NE(report_of_code("assert (tcpi_options & TCPI_OPT_SYN_DATA) != 0").find("but it is"),
              std::string::npos);
}

TEST(Ladder, AnAssertThatIsNotUnderstoodFails) {
    for (const char* code : {"assert tcpi_no_such_field == 0", "assert tcpi_snd_mss + 1 == 1001",
                             "assert tcpi_snd_mss == 1000 and tcpi_unacked == 0", "assert True",
                             "assert (tcpi_options & TCPI_OPT_NO_SUCH) == 0"}) {
        EXPECT_NE(report_of_code(code).find("not understood"), std::string::npos) << code;
    }
}

TEST(Ladder, AnAssertWithoutAConnectionFails) {
    const Outcome outcome = run_ladder(R"(
    0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
   +0 %{ assert tcpi_snd_mss == 1000 }%
)",
                                       ".");
    EXPECT_FALSE(outcome.passed);
    EXPECT_NE(outcome.report.find("no TCP_INFO"), std::string::npos) << outcome.report;
}

TEST(Ladder, SysctlsThatHaveACounterpartAreSet) {
    Script script;
    script.commands = {"sysctl -q net.ipv4.tcp_early_retrans=0 net.ipv4.tcp_notsent_lowat=5000",
                       "sysctl -q net.ipv4.tcp_min_tso_segs=7"};
    LadderConfiguration configuration;
    std::string complaint;
    ASSERT_TRUE(configure(script, ".", configuration, complaint)) << complaint;
    const tcp::Configuration& tcp = configuration.stack.tcp;
    EXPECT_EQ(tcp.tail_loss_probe, tcp::Configuration::Use::off);
    EXPECT_EQ(tcp.not_sent_low_water, 5000u);
    EXPECT_EQ(tcp.train_segments_min, 7);

    script.commands = {"sysctl -q net.ipv4.tcp_early_retrans=3 net.ipv4.tcp_notsent_lowat=-1"};
    ASSERT_TRUE(configure(script, ".", configuration, complaint)) << complaint;
    EXPECT_EQ(tcp.tail_loss_probe, tcp::Configuration::Use::on);
    EXPECT_EQ(tcp.not_sent_low_water, 0u) << "no limit";
}

}  // namespace
}  // namespace mtcp::ladder
