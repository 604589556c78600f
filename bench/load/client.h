// SPDX-License-Identifier: Apache-2.0
// The client of all measurements: keeps so many connections open, each of which asks and is
// answered so many times, and opens another for each that ends. One thread, one epoll; the same
// source runs on mtcp and on the kernel (sockets/sockets.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "load/plan.h"
#include "load/tally.h"
#include "sockets/sockets.h"
#include "ticks.h"
#include "web_client/histogram.h"

namespace bench {

// What both ends agreed on, as the first connection's TCP_INFO says.
struct NegotiatedOptions {
    bool known = false;
    bool timestamps = false, selective_ack = false, window_scaling = false;
    [[nodiscard]] std::string text() const {
        if (!known) return "unknown";
        std::string words;
        words += timestamps ? "timestamps " : "";
        words += selective_ack ? "sack " : "";
        words += window_scaling ? "window_scaling " : "";
        if (words.empty()) return "none";
        words.pop_back();
        return words;
    }
};

// The addresses from which this context's connections come in turn; the kernel needs none.
void use_client_addresses(net::Context context, const Plan& plan);

class Client {
  public:
    Client(net::Context context, const Plan& plan);
    // What went wrong; empty: it is ready.
    [[nodiscard]] std::string start();
    // Opens what is missing, waits for events once and handles them.
    void step(int timeout_ms);
    [[nodiscard]] const Tally& tally() const { return tally_; }
    // Takes the memory for so many sockets now; without it, as they come.
    void reserve(std::size_t sockets);
    [[nodiscard]] std::uint64_t open_now() const { return open_; }
    // In ticks(), of every response since the last clear().
    [[nodiscard]] load::Histogram& latency() { return latency_; }
    [[nodiscard]] const NegotiatedOptions& negotiated() const { return negotiated_; }
    // With Plan::in_flight: the connections begin to ask, in a random order.
    void start_asking();
    // As start_asking(), but so many times a second, whatever the answers do.
    void start_asking_at_rate(double requests_per_second, double ticks_a_second);
    // No more questions: those on their way are answered still.
    void stop_asking() { asking_ = Asking::not_yet; }
    // No new connections from here on.
    void stop_opening() { plan_.connections_max = tally_.opened; }

  private:
    struct Connection {
        std::uint32_t left = 0;      // bytes of the response to come
        std::uint32_t answered = 0;  // messages
        std::uint64_t asked_at = 0;  // ticks
    };
    [[nodiscard]] bool may_open() const;
    void fetch_ahead(std::uint64_t socket);
    bool open_one();
    void on_event(int socket, std::uint32_t events);
    void established(int socket);
    void note_options(int socket);
    void send_request(int socket);
    void send_bulk(int socket);
    void receive(int socket, std::uint32_t events);
    void answered(int socket);
    void follow_schedule();
    void wait_turn(int socket);
    int take_turn();
    void shuffle_idle();
    void fail(int socket);
    void end(int socket);
    Connection& at(int socket) { return connections_[static_cast<std::size_t>(socket)]; }

    net::Context context_;
    Plan plan_;
    int epoll_ = -1;
    std::vector<net::Event> events_;
    std::vector<Connection> connections_;  // by socket
    std::vector<std::uint8_t> connecting_;
    std::vector<char> buffer_;
    std::vector<char> question_;
    std::vector<int> idle_;  // a ring: connections that wait for their turn to ask
    std::size_t idle_first_ = 0;
    std::size_t idle_count_ = 0;
    enum class Asking : std::uint8_t { not_yet, on_answer, on_schedule } asking_ = Asking::not_yet;
    std::uint64_t open_ = 0;
    std::uint32_t next_address_ = 0;
    std::uint64_t interval_ = 0;  // ticks from one scheduled request to the next
    std::uint64_t due_ = 0;
    Tally tally_;
    load::Histogram latency_;
    NegotiatedOptions negotiated_;
};

}  // namespace bench
