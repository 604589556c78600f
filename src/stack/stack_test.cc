// SPDX-License-Identifier: Apache-2.0
// A whole stack in real time, without a wire: all drivers, one core and two.
#include "stack/stack.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include "base/telemetry.h"
#include "socket/application.h"
#include "socket/listen_socket.h"
#include "socket/stream_socket.h"

namespace mtcp::stack {
namespace {

using socket::Application;

const wire::IpAddress kOwn = wire::IpAddress::v4(0x0a000002);

StackConfiguration link_only(Drive drive, std::size_t cores) {
    StackConfiguration configuration;
    configuration.cores = cores;
    configuration.drive = drive;
    configuration.max_concurrency = 1024;
    configuration.chunks.count = {4096, 2048, 64};
    configuration.huge_pages = false;
    InterfaceConfiguration interface;
    interface.kind = "link";
    interface.name = "link0";
    interface.addresses = {{kOwn, 24}};
    configuration.interfaces.push_back(interface);
    return configuration;
}

std::unique_ptr<Application> application_on(Stack& stack, std::size_t core) {
    auto view = stack.start_core(core);
    EXPECT_TRUE(view) << view.error().text();
    auto app = Application::create(*view, {.descriptors = 1024});
    EXPECT_TRUE(app);
    return std::move(app).value();
}

socket::Descriptor& find(Application& app, long id) {
    return *app.table().find(static_cast<int>(id));
}

long send_text(Application& app, long id, std::string text) {
    const iovec buffer{text.data(), text.size()};
    return socket::send(app, find(app, id), socket::ByteCursor({&buffer, 1}), 0);
}
std::string receive_text(Application& app, long id) {
    std::string text(65536, '\0');
    const iovec buffer{text.data(), text.size()};
    const long n = socket::receive(app, find(app, id), socket::ByteCursor({&buffer, 1}), 0);
    text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return text;
}
long listen_on(Application& app, std::uint16_t port) {
    const long id = socket::make_stream(app);
    EXPECT_EQ(socket::bind(app, find(app, id), {{}, port}), 0);
    EXPECT_EQ(socket::listen(app, find(app, id), 128), 0);
    return id;
}

// A memif without a peer: a device that needs no privilege.
InterfaceConfiguration lonely(const std::string& name, const char* layer, std::uint32_t address) {
    InterfaceConfiguration interface;
    interface.kind = "memif";
    interface.name = "@mtcp_stack_test_" + std::to_string(::getpid()) + name;
    interface.options = {{"role", "master"}, {"layer", layer}};
    interface.addresses = {{wire::IpAddress::v4(address), 24}};
    return interface;
}

TEST(Stack, ANeighbourMayBeNamedBesideAnInterfaceWithoutEthernet) {
    StackConfiguration configuration = link_only(Drive::run_inline, 1);
    configuration.interfaces = {lonely("a", "ethernet", 0x0a000001), lonely("b", "ip", 0x0a000101)};
    configuration.neighbours = {{wire::IpAddress::v4(0x0a000009), {{2, 0, 0, 0, 0, 9}}}};
    auto stack = Stack::open(configuration);
    ASSERT_TRUE(stack) << stack.error().text();
    const auto core = (*stack)->start_core(0);
    EXPECT_TRUE(core) << core.error().text();
}

// Interface descriptions (pcapng block type 1) of a capture.
std::size_t interfaces_in(const std::string& path) {
    std::ifstream stream(path, std::ios::binary);
    const std::string file{std::istreambuf_iterator<char>(stream), {}};
    std::size_t count = 0;
    for (std::size_t at = 0; at + 8 <= file.size();) {
        std::uint32_t head[2];
        std::memcpy(head, file.data() + at, sizeof head);
        if (head[1] < 12) break;
        count += head[0] == 1 ? 1 : 0;
        at += head[1];
    }
    return count;
}

TEST(Stack, InterfacesMayShareACapture) {
    const std::string path = "/tmp/mtcp_stack_test_" + std::to_string(::getpid()) + ".pcapng";
    StackConfiguration configuration = link_only(Drive::run_inline, 1);
    configuration.interfaces = {lonely("a", "ethernet", 0x0a000001), lonely("b", "ip", 0x0a000101)};
    for (InterfaceConfiguration& interface : configuration.interfaces)
        interface.capture_file = path;
    const auto stack = Stack::open(configuration);
    ASSERT_TRUE(stack) << stack.error().text();
    EXPECT_EQ(interfaces_in(path), 2u);
    ::unlink(path.c_str());
}

// A server of two cores, of which one has an application, and a client whose frames come to the
// other.
TEST(Stack, ACoreWithoutAnApplicationHandsOnWhatArrives) {
    const wire::IpAddress servers = wire::IpAddress::v4(0x0a000001);
    StackConfiguration serving = link_only(Drive::assisted, 2);
    serving.interfaces = {lonely("relay", "ethernet", 0x0a000001)};
    StackConfiguration asking = link_only(Drive::assisted, 2);
    asking.interfaces = {lonely("relay", "ethernet", 0x0a000002)};
    asking.interfaces[0].options[0] = {"role", "slave"};
    auto server = Stack::open(serving);
    ASSERT_TRUE(server) << server.error().text();
    auto client = Stack::open(asking);
    ASSERT_TRUE(client) << client.error().text();
    std::atomic<bool> listening{false};
    std::atomic<bool> over{false};
    std::thread answers([&] {
        auto app = application_on(**server, 0);
        const long listener = listen_on(*app, 80);
        listening = true;
        find(*app, listener).non_blocking = 1;
        while (!over) {
            wire::Endpoint peer;
            const long id = socket::accept(*app, find(*app, listener), peer);
            if (id < 0) continue;
            EXPECT_EQ(receive_text(*app, id), "ping");
            EXPECT_EQ(send_text(*app, id, "pong"), 4);
            socket::close_stream(*app, find(*app, id), socket::CloseKind::orderly);
        }
        app.reset();
        (*server)->stop_core(0);
    });
    while (!listening)
        std::this_thread::yield();
    for (const std::size_t core : {std::size_t{0}, std::size_t{1}}) {
        auto app = application_on(**client, core);
        for (int i = 0; i < 10; ++i) {
            const long id = socket::make_stream(*app);
            EXPECT_EQ(socket::connect(*app, find(*app, id), {servers, 80}), 0);
            EXPECT_EQ(send_text(*app, id, "ping"), 4);
            EXPECT_EQ(receive_text(*app, id), "pong");
            socket::close_stream(*app, find(*app, id), socket::CloseKind::orderly);
        }
        app.reset();
        (*client)->stop_core(core);
    }
    over = true;
    answers.join();
    EXPECT_GT((*server)->counters(1).handoffs_out, 0u);
}

class AllDrivers : public ::testing::TestWithParam<Drive> {};

TEST_P(AllDrivers, BlockingCallsTalkToThemselvesOnOneCore) {
    auto stack = Stack::open(link_only(GetParam(), 1));
    ASSERT_TRUE(stack) << stack.error().text();
    auto app = application_on(**stack, 0);
    const long listener = listen_on(*app, 80);
    for (int round = 0; round < 200; ++round) {
        const long client = socket::make_stream(*app);
        ASSERT_EQ(socket::connect(*app, find(*app, client), {kOwn, 80}), 0);
        wire::Endpoint peer;
        const long server = socket::accept(*app, find(*app, listener), peer);
        ASSERT_GE(server, 0);
        EXPECT_EQ(send_text(*app, client, "ping"), 4);
        EXPECT_EQ(receive_text(*app, server), "ping");
        EXPECT_EQ(send_text(*app, server, "pong"), 4);
        EXPECT_EQ(receive_text(*app, client), "pong");
        socket::close_stream(*app, find(*app, client), socket::CloseKind::orderly);
        EXPECT_EQ(receive_text(*app, server), "");
        socket::close_stream(*app, find(*app, server), socket::CloseKind::orderly);
    }
    app.reset();
    (*stack)->stop_core(0);
}

TEST_P(AllDrivers, AServerOnOneCoreServesAClientOnAnother) {
    auto stack = Stack::open(link_only(GetParam(), 2));
    ASSERT_TRUE(stack) << stack.error().text();
    constexpr int kRounds = 100;
    std::atomic<bool> listening{false};
    std::thread server_thread([&] {
        auto app = application_on(**stack, 1);
        const long listener = listen_on(*app, 80);
        app->run_stack();
        listening = true;
        for (int round = 0; round < kRounds; ++round) {
            wire::Endpoint peer;
            const long server = socket::accept(*app, find(*app, listener), peer);
            ASSERT_GE(server, 0);
            EXPECT_EQ(receive_text(*app, server), "ping");
            EXPECT_EQ(send_text(*app, server, "pong"), 4);
            EXPECT_EQ(receive_text(*app, server), "");
            socket::close_stream(*app, find(*app, server), socket::CloseKind::orderly);
        }
        app.reset();
        (*stack)->stop_core(1);
    });
    auto app = application_on(**stack, 0);
    while (!listening)
        std::this_thread::yield();
    for (int round = 0; round < kRounds; ++round) {
        const long client = socket::make_stream(*app);
        ASSERT_EQ(socket::connect(*app, find(*app, client), {kOwn, 80}), 0);
        EXPECT_EQ(send_text(*app, client, "ping"), 4);
        EXPECT_EQ(receive_text(*app, client), "pong");
        socket::close_stream(*app, find(*app, client), socket::CloseKind::orderly);
    }
    EXPECT_GT((*stack)->counters(0).handoffs_out, 0u);
    app.reset();
    (*stack)->stop_core(0);
    server_thread.join();
}

TEST_P(AllDrivers, AnInterruptEndsAWait) {
    auto stack = Stack::open(link_only(GetParam(), 1));
    ASSERT_TRUE(stack) << stack.error().text();
    auto app = application_on(**stack, 0);
    const long listener = listen_on(*app, 80);
    std::thread other([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        (*stack)->interrupt(0);
    });
    wire::Endpoint peer;
    EXPECT_EQ(socket::accept(*app, find(*app, listener), peer), -EINTR);
    other.join();
}

// Signals come when they come. Under a sanitizer this shows whether they follow what has ended.
TEST_P(AllDrivers, AnInterruptMayMeetACoreThatEnds) {
    auto stack = Stack::open(link_only(GetParam(), 1));
    ASSERT_TRUE(stack) << stack.error().text();
    std::atomic<bool> over{false};
    std::thread other([&] {
        while (!over.load())
            (*stack)->interrupt(0);
    });
    for (int i = 0; i < 50; ++i) {
        EXPECT_TRUE((*stack)->start_core(0));
        (*stack)->stop_core(0);
    }
    over.store(true);
    other.join();
}

TEST_P(AllDrivers, ACoreIsStartedOnceAndStartsAgainAfterItStopped) {
    auto stack = Stack::open(link_only(GetParam(), 1));
    ASSERT_TRUE(stack);
    EXPECT_TRUE((*stack)->start_core(0));
    auto second = (*stack)->start_core(0);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().error, EBUSY);
    EXPECT_FALSE((*stack)->start_core(1));
    (*stack)->stop_core(0);
    EXPECT_TRUE((*stack)->start_core(0));
}

INSTANTIATE_TEST_SUITE_P(Drivers, AllDrivers,
                         ::testing::Values(Drive::paired, Drive::run_inline, Drive::assisted),
                         [](const auto& tested) {
                             return tested.param == Drive::paired     ? "paired"
                                    : tested.param == Drive::assisted ? "assisted"
                                                                      : "run_inline";
                         });

TEST(Stack, RefusesMoreCoresThanItCanHave) {
    auto stack = Stack::open(link_only(Drive::paired, 65));
    ASSERT_FALSE(stack);
    EXPECT_NE(stack.error().mend, "");
}

// Signals are for the program's threads, whatever mask the one that opens the stack has.
TEST(Stack, ItsThreadsTakeNoSignals) {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "has a thread of its own, and does not know that counters may be read any time";
#endif
    StackConfiguration configuration = link_only(Drive::assisted, 1);
    configuration.stat_print = {"link0"};
    auto stack = Stack::open(configuration);
    ASSERT_TRUE(stack) << stack.error().text();
    const auto app = application_on(**stack, 0);
    int threads = 0;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
        if (task.path().filename() == std::to_string(::getpid())) continue;
        ++threads;
        std::ifstream status(task.path() / "status");
        for (std::string line; std::getline(status, line);) {
            if (line.rfind("SigBlk:", 0) != 0) continue;
            const std::uint64_t blocked = std::stoull(line.substr(7), nullptr, 16);
            EXPECT_NE(blocked >> (SIGTERM - 1) & 1, 0u) << task.path();
        }
    }
    EXPECT_EQ(threads, 2) << "the assistant, and who prints";
}

// What tells a living stack from a leftover is a lock, which a child inherits with the descriptor.
TEST(Stack, AChildThatOutlivesItDoesNotMakeItLookAlive) {
    std::array<int, 2> told{};
    ASSERT_EQ(::pipe(told.data()), 0);
    const pid_t parent = ::fork();
    if (parent == 0) {
        auto stack = Stack::open(link_only(Drive::run_inline, 1));
        const pid_t child = ::fork();
        if (child == 0) {
            (*stack)->abandon_after_fork();
            const pid_t self = ::getpid();
            static_cast<void>(!::write(told[1], &self, sizeof self));
            ::close(told[1]);
            for (;;)
                ::pause();
        }
        for (;;)
            ::pause();
    }
    ::close(told[1]);
    pid_t child = 0;
    ASSERT_EQ(::read(told[0], &child, sizeof child), static_cast<ssize_t>(sizeof child));
    const auto view = TelemetryView::open(parent);
    ASSERT_TRUE(view) << view.error().text();
    EXPECT_TRUE(view->alive());
    ::kill(parent, SIGKILL);
    EXPECT_EQ(::waitpid(parent, nullptr, 0), parent);
    EXPECT_FALSE(view->alive());
    ::kill(child, SIGKILL);
    ::close(told[0]);
    ::unlink(view->path().c_str());
}

}  // namespace
}  // namespace mtcp::stack
