// SPDX-License-Identifier: Apache-2.0
// The stack side of a channel, played by a test: it takes requests as the real one does, and does
// to connections what the test says. Its clock moves when it is read.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "socket/application.h"
#include "socket/epoll.h"
#include "socket/listen_socket.h"
#include "socket/stream_socket.h"
#include "tcp/status.h"

namespace mtcp::socket::testing {

class ScriptedStack : public Driver {
  public:
    static constexpr std::uint32_t kConnections = 64;
    struct Connection {
        wire::FlowKey key;
        std::string sent;  // all bytes taken from the send box
        ChunkRef unacknowledged = kNoChunk;
        std::vector<RequestKind> requests;
        bool granted = false;
        bool closed = false;
        bool aborted = false;
        bool tells_progress = false;
        tcp::Settings settings;
    };

    explicit ScriptedStack(const ChunkStore::Sizes& sizes = {{{256, 256, 8}}}) {
        EXPECT_TRUE(store.reserve(sizes, Pages::normal));
        for (Stream& s : streams)
            s.reset(kSendBuffer);
        grant();
    }

    // What is still in the request ring is taken; then the listeners are the stack's to delete.
    ~ScriptedStack() override {
        on_turn = nullptr;
        run_stack();
        for (Listener* listener : listeners)
            delete listener;
    }

    // --- Driver ---
    void run_stack() override {
        ++turns;
        if (on_turn) on_turn();
        Request request{};
        while (channel.requests.pop(request))
            take(request);
        ChunkRef chunk = kNoChunk;
        while (channel.returned_chunks.pop(chunk))
            store.give_back(chunk);
        grant();
    }
    void kick() override { ++kicks; }
    Wake wait(Instant deadline) override {
        ++waits;
        run_stack();
        while (!interrupt && channel.events.empty() && !during_waits.empty()) {
            const auto happening = std::move(during_waits.front());
            during_waits.pop_front();
            happening();
        }
        if (interrupt) {
            interrupt = false;
            return Wake::interrupted;
        }
        if (!channel.events.empty()) return Wake::events;
        if (deadline == kNever) {
            ADD_FAILURE() << "the application would sleep for ever";
            return Wake::interrupted;
        }
        clock = later(clock, deadline);
        return Wake::deadline;
    }
    Instant now() override { return clock = clock + clock_step; }
    std::int64_t time_of_day(Instant when) override {
        if (on_time_of_day) std::exchange(on_time_of_day, nullptr)();
        return Driver::time_of_day(when);
    }
    int event_descriptor() override { return descriptor; }

    // --- what the stack does to connections ---
    void post(std::uint32_t index, std::uint16_t events) {
        if (streams[index].events.fetch_or(events) != 0) return;
        ASSERT_TRUE(channel.events.push(index));
    }
    void set_status(std::uint32_t index, std::uint16_t bits) {
        streams[index].status.fetch_or(bits, std::memory_order_release);
    }
    void connect(std::uint32_t index) {
        streams[index].send_mss = 1460;
        set_status(index, StreamStatus::opened | StreamStatus::connected);
        post(index, StreamEvents::connected | StreamEvents::writable);
    }
    void fail(std::uint32_t index, int error) {
        streams[index].error = error;
        set_status(index, StreamStatus::failed | StreamStatus::ended);
        post(index, StreamEvents::failed);
    }
    void close_by_peer(std::uint32_t index) {
        set_status(index, StreamStatus::peer_closed);
        post(index, StreamEvents::peer_closed | StreamEvents::readable);
    }
    // Puts bytes into the receive box, in chunks of at most `piece` bytes.
    void deliver(std::uint32_t index, std::string_view bytes, std::size_t piece = 100) {
        ChunkRef chain = streams[index].receive_box.exchange(kNoChunk);
        while (!bytes.empty()) {
            const std::string_view part = bytes.substr(0, piece);
            const ChunkRef ref = store.take_any(class_for(part.size()));
            ASSERT_NE(ref, kNoChunk);
            Chunk& chunk = store.at(ref);
            std::memcpy(chunk.data(), part.data(), part.size());
            chunk.end = chunk.chain_bytes = static_cast<std::uint32_t>(part.size());
            chain = join(store, chain, ref);
            bytes.remove_prefix(part.size());
        }
        streams[index].receive_box.store(chain, std::memory_order_release);
        post(index, StreamEvents::readable);
    }
    void acknowledge(std::uint32_t index) {
        Connection& c = connections[index];
        Stream& s = streams[index];
        s.acknowledged.store(static_cast<std::uint32_t>(c.sent.size()));
        store.give_back_chain(c.unacknowledged);
        c.unacknowledged = kNoChunk;
        if (s.wants_write.exchange(0) != 0) post(index, StreamEvents::writable);
    }
    // A connection from outside, put into the accept queue of the listener made last.
    std::uint32_t arrive() {
        const std::uint32_t index = next_passive++;
        connections[index].key = {wire::IpAddress::v4(0x0a000002), wire::IpAddress::v4(0x0a000001),
                                  80, static_cast<std::uint16_t>(40'000 + index)};
        connections[index].granted = true;
        set_status(index, StreamStatus::opened | StreamStatus::connected);
        EXPECT_TRUE(listeners.back()->accepted.push(index));
        if (listeners.back()->event_pending.exchange(1) == 0) {
            EXPECT_TRUE(channel.events.push(kListenerEvent | listeners.back()->id));
        }
        return index;
    }

    [[nodiscard]] CoreView view() {
        return {
            .channel = &channel,
            .chunks = &store,
            .streams = {streams.data(), sizeof(Stream)},
            .connection_capacity = kConnections,
            .driver = this,
            .defaults = {},
            .syn_retries = 6,
            .core = this,
            .key =
                [](void* core, std::uint32_t index) {
                    return static_cast<ScriptedStack*>(core)->connections[index].key;
                },
            .is_local = [](void*, const wire::IpAddress& a) { return a.v4_bits() == 0x0a000002; },
            .has_route = [](void*, const wire::IpAddress& a) { return a.v4_bits() >> 24 == 10; }};
    }

    static constexpr std::uint32_t kSendBuffer = 3000;
    Channel channel;
    ChunkStore store;
    std::array<Stream, kConnections> streams{};
    std::array<Connection, kConnections> connections;
    std::vector<Listener*> listeners;
    tcp::FastOpenRoom fast_open_answer;  // what a SYN could carry
    std::deque<std::function<void()>>
        during_waits;  // played one after the other, until one posts an event
    std::function<void()> on_turn;
    std::function<void()> on_time_of_day;  // once
    bool interrupt = false;
    bool grants_chunks = true;
    bool tells_sent = false;  // what it takes has left (Stream::sent)
    int turns = 0, waits = 0, kicks = 0;
    int descriptor = -1;
    Instant clock{1'000'000};
    Duration clock_step = microseconds(30);
    std::uint32_t next_active = 0, next_passive = 32, opened = kNoIndex;

  private:
    void take(const Request& request) {
        const std::uint32_t index = request.index;
        if (request.kind != RequestKind::listen && request.kind != RequestKind::unlisten &&
            request.kind != RequestKind::inherit && request.kind != RequestKind::fast_open &&
            request.kind != RequestKind::listener_options) {
            connections[index].requests.push_back(request.kind);
        }
        switch (request.kind) {
            case RequestKind::open: take_open(index); break;
            case RequestKind::write:
            case RequestKind::more:
            case RequestKind::urgent:
            case RequestKind::record:
            case RequestKind::shutdown: take_box(index); break;
            case RequestKind::consumed: streams[index].consume_posted.store(0); break;
            case RequestKind::close:
                take_box(index);
                store.give_back_chain(streams[index].receive_box.exchange(kNoChunk));
                store.give_back_chain(connections[index].unacknowledged);
                connections[index].unacknowledged = kNoChunk;
                connections[index].closed = true;
                connections[index].aborted = request.value == CloseRequest::abort;
                break;
            case RequestKind::progress:
                connections[index].tells_progress = request.value != 0;
                break;
            case RequestKind::settings:
                ASSERT_TRUE(channel.settings.pop(connections[index].settings));
                break;
            case RequestKind::listen:
                listeners.push_back(reinterpret_cast<Listener*>(request.value));
                break;
            case RequestKind::inherit:
                ASSERT_TRUE(
                    channel.settings.pop(reinterpret_cast<Listener*>(request.value)->settings));
                break;
            case RequestKind::unlisten:
                std::erase(listeners, reinterpret_cast<Listener*>(request.value));
                delete reinterpret_cast<Listener*>(request.value);
                break;
            case RequestKind::listener_options: {
                const auto& options = *reinterpret_cast<const ListenerOptions*>(request.value);
                EXPECT_TRUE(options.listener->accepted.grow(options.backlog));
                options.listener->backlog = options.backlog;
                options.listener->defer_accept_s = options.defer_accept_s;
                options.listener->fast_open_limit = options.fast_open_limit;
                options.listener->fast_open_keys = options.fast_open_keys;
                break;
            }
            case RequestKind::fast_open:
                reinterpret_cast<FastOpenQuery*>(request.value)->answer = fast_open_answer;
                break;
            case RequestKind::status: {
                auto* const status = reinterpret_cast<tcp::Status*>(request.value);
                status->state = tcp::State::established;
                status->send_mss = 1000;
                status->flight_bytes = 2500;
                status->cwnd_bytes = 10'000;
                status->srtt_us = 77;
                status->timestamps = true;
                break;
            }
        }
    }
    void take_open(std::uint32_t index) {
        OpenParameters parameters{};
        ASSERT_TRUE(channel.open_parameters.pop(parameters));
        if (parameters.key.local.is_unspecified())
            parameters.key.local = wire::IpAddress::v4(0x0a000002);
        if (parameters.key.local_port == 0) parameters.key.local_port = 50'000;
        connections[index].key = parameters.key;
        connections[index].settings = parameters.settings;
        set_status(index, StreamStatus::opened);
        opened = index;
    }
    void take_box(std::uint32_t index) {
        streams[index].write_posted.store(0);
        const ChunkRef chain = streams[index].send_box.exchange(kNoChunk);
        Connection& c = connections[index];
        for (ChunkRef ref = chain; ref != kNoChunk; ref = store.at(ref).next) {
            const Chunk& chunk = store.at(ref);
            c.sent.append(reinterpret_cast<const char*>(chunk.data()) + chunk.begin, chunk.size());
        }
        c.unacknowledged = join(store, c.unacknowledged, chain);
        if (tells_sent) streams[index].sent.store(static_cast<std::uint32_t>(c.sent.size()));
    }
    void grant() {
        while (next_active < 16 && channel.granted_connections.size() < 4) {
            streams[next_active].reset(kSendBuffer);
            EXPECT_TRUE(channel.granted_connections.push(next_active));
            ++next_active;
        }
        for (std::size_t c = 0; grants_chunks && c < kChunkClasses; ++c) {
            while (channel.granted_chunks[c].size() < 4) {
                const ChunkRef ref = store.take(static_cast<ChunkClass>(c));
                if (ref == kNoChunk || !channel.granted_chunks[c].push(ref)) break;
            }
        }
    }
};

// An application over a scripted stack.
class ApplicationTest : public ::testing::Test {
  protected:
    void SetUp() override { make(100); }
    void make(std::uint32_t descriptors) {
        auto made = Application::create(stack.view(), {.descriptors = descriptors});
        ASSERT_TRUE(made.ok());
        app = std::move(made).value();
    }
    Descriptor& d(long id) { return app->table().at(static_cast<std::uint32_t>(id)); }
    long make_socket(bool non_blocking = true) {
        const long id = make_stream(*app);
        EXPECT_GE(id, 0);
        d(id).non_blocking = non_blocking ? 1 : 0;
        return id;
    }
    // A connected, non-blocking socket.
    long make_connected() {
        const long id = make_socket();
        EXPECT_EQ(connect(*app, d(id), kServer), -EINPROGRESS);
        stack.run_stack();
        stack.connect(d(id).connection);
        app->drain_events();
        return id;
    }
    long make_listener() {
        const long id = make_socket();
        EXPECT_EQ(bind(*app, d(id), {wire::IpAddress::v4(0), 80}), 0);
        EXPECT_EQ(listen(*app, d(id), 16), 0);
        return id;
    }
    long read(long id, std::string& text, std::size_t most = 65'536, int flags = 0) {
        std::string room(most, '\0');
        const std::span bytes = std::as_writable_bytes(std::span(room));
        const long n = receive(*app, d(id), bytes, flags);
        text = n > 0 ? room.substr(0, static_cast<std::size_t>(n)) : std::string{};
        return n;
    }
    long write(long id, const std::string& text, int flags = 0) {
        return send(*app, d(id), std::as_bytes(std::span(text)), flags);
    }
    void close(long id, CloseKind kind = CloseKind::orderly) { close_stream(*app, d(id), kind); }
    std::uint32_t index(long id) { return d(id).connection; }
    Stream& stream(long id) { return stack.streams[index(id)]; }
    ScriptedStack::Connection& peer(long id) { return stack.connections[index(id)]; }

    static constexpr wire::Endpoint kServer{wire::IpAddress::v4(0x0a000001), 80};
    ScriptedStack stack;
    std::unique_ptr<Application> app;
};

}  // namespace mtcp::socket::testing
