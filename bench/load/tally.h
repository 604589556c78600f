// SPDX-License-Identifier: Apache-2.0
// What an end counts. The difference of two of them is what happened in between.
#pragma once

#include <cstdint>

namespace bench {

struct Tally {
    std::uint64_t opened = 0;     // client: connect() begun; server: accepted
    std::uint64_t connected = 0;  // client: handshakes done
    std::uint64_t completed = 0;  // connections that did all that was planned
    std::uint64_t messages = 0;   // whole responses received (client), sent (server)
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
    std::uint64_t waits = 0;           // calls that ask for events
    std::uint64_t waits_empty = 0;     // ... and found none
    std::uint64_t events = 0;          // events found
    std::uint64_t wait_ticks = 0;      // inside those calls, with Plan::stages
    std::uint64_t connect_failed = 0;  // refused by our own side: ports, descriptors, memory
    std::uint64_t failed = 0;          // reset, timed out, or closed too early

    Tally& operator+=(const Tally& b) {
        opened += b.opened;
        connected += b.connected;
        completed += b.completed;
        messages += b.messages;
        bytes_in += b.bytes_in;
        bytes_out += b.bytes_out;
        waits += b.waits;
        waits_empty += b.waits_empty;
        events += b.events;
        wait_ticks += b.wait_ticks;
        connect_failed += b.connect_failed;
        failed += b.failed;
        return *this;
    }
    friend Tally operator-(Tally a, const Tally& b) {
        a.opened -= b.opened;
        a.connected -= b.connected;
        a.completed -= b.completed;
        a.messages -= b.messages;
        a.bytes_in -= b.bytes_in;
        a.bytes_out -= b.bytes_out;
        a.waits -= b.waits;
        a.waits_empty -= b.waits_empty;
        a.events -= b.events;
        a.wait_ticks -= b.wait_ticks;
        a.connect_failed -= b.connect_failed;
        a.failed -= b.failed;
        return a;
    }
};

}  // namespace bench
