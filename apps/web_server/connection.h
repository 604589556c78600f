// SPDX-License-Identifier: Apache-2.0
// One connection of a client: reads requests, answers them in order, stops reading while the answer
// does not fit into the socket. Reused for the next connection, so that its memory is kept.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "sockets/sockets.h"
#include "web_server/file_store.h"
#include "web_server/options.h"
#include "web_server/request_reader.h"
#include "web_server/response.h"
#include "web_server/statistics.h"

namespace web {

// What all connections of a worker use.
struct Workshop {
    net::Context context;
    const Options& options;
    FileStore& files;
    Statistics& statistics;
    std::string scratch;  // one read, or one piece of a file
    std::string path;     // of the request at hand
    std::string date;
    std::chrono::steady_clock::time_point now;
};

class Connection {
  public:
    enum class Next : std::uint8_t {
        wait_to_read,
        wait_to_write,  // reading rests until the answer is out
        close,          // all said
        abort           // the peer must not take what it has for whole
    };

    explicit Connection(const Options& options);

    void open(int socket);
    Next on_readable(Workshop& shop);
    Next on_writable(Workshop& shop);

    [[nodiscard]] int socket() const { return socket_; }
    // Neither a request begun nor an answer under way.
    [[nodiscard]] bool at_rest() const;
    // Whether bytes went out or a request came in since the last call: what keeps it alive.
    bool take_progress();

    // The worker's: which incarnation of the socket's number, and the neighbours in the idle list.
    std::uint32_t generation = 0;
    bool in_use = false;
    bool waiting_to_write = false;
    std::chrono::steady_clock::time_point active_at;
    Connection* idle_previous = nullptr;
    Connection* idle_next = nullptr;

  private:
    enum class Phase : std::uint8_t { serving, closing, draining };
    enum class Flushed : std::uint8_t { all, blocked, failed };

    Next advance(Workshop& shop);
    // Takes one request from `bytes`; returns how many were used.
    std::size_t take_request(Workshop& shop, std::string_view bytes);
    Response answer(Workshop& shop, const Request& request);
    void refuse(Workshop& shop, RequestReader::Outcome outcome);
    void begin(const Response& response, Workshop& shop);
    Next finish(Workshop& shop);
    Next drain(Workshop& shop);
    Flushed flush(Workshop& shop);
    Flushed flush_text(Workshop& shop);
    Flushed flush_file(Workshop& shop);

    int socket_ = -1;
    Phase phase_ = Phase::serving;
    bool progress_ = false;
    RequestReader reader_;
    std::string input_;  // received and not yet parsed: only while an answer is blocked
    std::string output_;
    std::size_t output_at_ = 0;
    std::shared_ptr<const File> body_;
    std::uint64_t body_at_ = 0;
    std::uint64_t body_end_ = 0;
    std::uint64_t drained_ = 0;
};

}  // namespace web
