// SPDX-License-Identifier: Apache-2.0
// Talking to the honest host.
#include "fuzz/victim/bystander.h"

#include <array>

#include "fuzz/victim/finding.h"
#include "fuzz/victim/wire_watch.h"

namespace mtcp::victim {
namespace {

constexpr std::size_t kMessage = 5000;
constexpr Duration kPatience = milliseconds(200);

}  // namespace

Bystander::Bystander(Victim& victim) : victim_(victim) {
    auto& sockets = victim.sockets();
    listener_ = sockets.make(sim::Blocking::never_blocks);
    if (sockets.bind(static_cast<int>(listener_), {{}, kPort}) != 0 ||
        sockets.listen(static_cast<int>(listener_), 16) != 0) {
        finding("the bystander cannot listen");
    }
    pair_ = open();
    exchange(pair_);
}

Bystander::~Bystander() {
    static_cast<void>(victim_.sockets().close(static_cast<int>(pair_.server)));
    static_cast<void>(victim_.sockets().close(static_cast<int>(listener_)));
    static_cast<void>(victim_.honest().sockets().close(static_cast<int>(pair_.client)));
}

Bystander::Pair Bystander::open() {
    Pair pair;
    auto& sockets = victim_.honest().sockets();
    pair.client = sockets.make(sim::Blocking::never_blocks);
    static_cast<void>(sockets.connect(static_cast<int>(pair.client), {kVictimInside, kPort}));
    static_cast<void>(victim_.run_until(
        [&] {
            wire::Endpoint peer;
            pair.server = victim_.sockets().accept(static_cast<int>(listener_), peer);
            return pair.server >= 0;
        },
        kPatience));
    if (pair.server < 0) finding("the bystander cannot connect");
    return pair;
}

void Bystander::pass(sim::Sockets& from, long sender, sim::Sockets& to, long receiver) {
    const Bytes message = pattern(passed_, kMessage);
    passed_ += kMessage;
    std::array<std::byte, kMessage> got{};
    std::size_t sent = 0;
    std::size_t received = 0;
    static_cast<void>(victim_.run_until(
        [&] {
            const long n = from.send(static_cast<int>(sender), std::span(message).subspan(sent), 0);
            if (n > 0) sent += static_cast<std::size_t>(n);
            const long r =
                to.receive(static_cast<int>(receiver), std::span(got).subspan(received), 0);
            if (r > 0) received += static_cast<std::size_t>(r);
            return received == kMessage;
        },
        kPatience));
    if (received != kMessage) return finding("the bystander's bytes do not arrive");
    if (Bytes(got.begin(), got.end()) != message) finding("the bystander's bytes are wrong");
}

void Bystander::exchange(const Pair& pair) {
    pass(victim_.honest().sockets(), pair.client, victim_.sockets(), pair.server);
    pass(victim_.sockets(), pair.server, victim_.honest().sockets(), pair.client);
}

void Bystander::check() {
    exchange(pair_);
    const Pair fresh = open();
    if (fresh.server >= 0) exchange(fresh);
    static_cast<void>(victim_.honest().sockets().close(static_cast<int>(fresh.client)));
    static_cast<void>(victim_.sockets().close(static_cast<int>(fresh.server)));
    victim_.run_for(milliseconds(1));
    if (victim_.honest().counters().segments_retransmitted != 0) {
        finding("the bystander had to send again");
    }
}

}  // namespace mtcp::victim
