// SPDX-License-Identifier: Apache-2.0
// A victim that serves port 80, with a bystander. Whatever a test does: in the end the bystander
// has noticed nothing, and when all is closed nothing is left.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fuzz/victim/bystander.h"
#include "fuzz/victim/finding.h"
#include "fuzz/victim/raw_peer.h"
#include "fuzz/victim/victim.h"
#include "fuzz/victim/wire_watch.h"

namespace mtcp::victim {

using wire::Flags;

class Hostile : public ::testing::Test {
  protected:
    void SetUp() override {
        set_finding_hook([](const std::string& text) { ADD_FAILURE() << text; });
    }
    void TearDown() override {
        if (victim_ != nullptr) {
            if (bystander_ != nullptr) bystander_->check();
            EXPECT_EQ(victim_->drops(Drop::tcp_broken_invariant), 0u);
            bystander_.reset();
            if (looks_for_leaks) victim_->check_nothing_left();
        }
        set_finding_hook(nullptr);
    }

    // The victim is made on first use, after a test has said what it shall be like.
    Victim& victim() {
        if (victim_ == nullptr) {
            victim_ = std::make_unique<Victim>(setup);
            if (setup.honest_host == HonestHost::present) {
                bystander_ = std::make_unique<Bystander>(*victim_);
            }
            listener = listen_on(80);
        }
        return *victim_;
    }
    Bystander& bystander() { return *bystander_; }
    sim::Sockets& sockets() { return victim().sockets(); }

    int listen_on(std::uint16_t port, int backlog = 64) {
        const int fd = static_cast<int>(sockets().make(sim::Blocking::never_blocks));
        EXPECT_EQ(sockets().bind(fd, {{}, port}), 0);
        EXPECT_EQ(sockets().listen(fd, backlog), 0);
        victim().settle();
        return fd;
    }
    int accept() {
        wire::Endpoint from;
        const int fd = static_cast<int>(sockets().accept(listener, from));
        if (fd >= 0) sockets().set_blocking(fd, sim::Blocking::never_blocks);
        return fd;
    }
    // A connection that is established at both ends, the victim's side accepted.
    struct Pair {
        std::unique_ptr<RawPeer> peer;
        int fd = -1;
    };
    Pair establish(std::uint16_t port = 40'000, Bytes options = {}) {
        Pair pair{std::make_unique<RawPeer>(victim(), port), -1};
        EXPECT_TRUE(pair.peer->connect(std::move(options)));
        pair.fd = accept();
        EXPECT_GE(pair.fd, 0);
        pair.peer->listen();
        return pair;
    }
    std::string read(int fd, std::size_t most = 65'536) {
        std::vector<std::byte> room(most);
        const long n = sockets().receive(fd, room, 0);
        if (n < 0) return "errno " + std::to_string(-n);
        return {reinterpret_cast<const char*>(room.data()), static_cast<std::size_t>(n)};
    }
    long write(int fd, std::size_t length, std::uint32_t offset = 0) {
        const long n = sockets().send(fd, pattern(offset, length), 0);
        victim().settle();
        return n;
    }
    static Bytes text(const std::string& characters) {
        const auto bytes = std::as_bytes(std::span(characters));
        return {bytes.begin(), bytes.end()};
    }
    // The connection still works, both ways.
    void expect_alive(Pair& pair) {
        pair.peer->listen();
        pair.peer->send(pair.peer->segment(Flags::ack | Flags::psh, text("alive?")));
        EXPECT_EQ(read(pair.fd), "alive?");
        const std::uint32_t before = pair.peer->rcv_nxt;
        EXPECT_EQ(write(pair.fd, 100), 100);
        pair.peer->listen();
        EXPECT_EQ(pair.peer->rcv_nxt, before + 100);
        EXPECT_FALSE(pair.peer->was_reset);
        pair.peer->send(pair.peer->segment(Flags::ack));
    }

    VictimSetup setup;
    int listener = -1;
    bool looks_for_leaks = true;

  private:
    std::unique_ptr<Victim> victim_;
    std::unique_ptr<Bystander> bystander_;
};

}  // namespace mtcp::victim
