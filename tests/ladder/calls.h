// SPDX-License-Identifier: Apache-2.0
// The socket calls of a script, carried out on our stack and compared with what the script says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "sim/sockets.h"
#include "tests/ladder/script.h"

namespace mtcp::ladder {

// What calls need of whoever runs the script.
class CallWorld {
  public:
    CallWorld() = default;
    CallWorld(const CallWorld&) = delete;
    CallWorld& operator=(const CallWorld&) = delete;
    virtual ~CallWorld() = default;
    [[nodiscard]] virtual sim::Sockets& sockets() = 0;
    // The stack took these bytes for a connection.
    virtual void on_written(int fd, std::span<const std::byte> bytes) = 0;
    // A connection was accepted or connected.
    virtual void on_open(int fd) = 0;
};

class Calls {
  public:
    explicit Calls(CallWorld& world);

    // Empty: as the script says. Else what is different.
    [[nodiscard]] std::string run(const CallStep& call);
    // `assert tcpi_...` of code steps, against the connection last opened. Empty: true.
    [[nodiscard]] std::string check_code(const std::string& text);

  private:
    struct Socket {
        int live = -1;
        std::uint64_t read_position = 0;
        std::uint64_t write_position = 0;
        bool plain_bytes = true;  // what arrives follows pattern_byte
    };
    // A call's answer, and a complaint about anything else it gave back.
    struct Answer {
        long value = 0;
        std::string complaint;
    };
    using Handler = Answer (Calls::*)(const CallStep&);

    // calls.cc: life of sockets
    Answer make_socket(const CallStep& call);
    Answer bind(const CallStep& call);
    Answer listen(const CallStep& call);
    Answer accept(const CallStep& call);
    Answer connect(const CallStep& call);
    Answer shutdown(const CallStep& call);
    Answer close(const CallStep& call);
    Answer fcntl(const CallStep& call);
    // data_calls.cc: bytes
    Answer receive(const CallStep& call);
    Answer send(const CallStep& call);
    Answer send_message(const CallStep& call);
    Answer ioctl(const CallStep& call);
    Answer transmit(Socket& socket, std::span<const std::byte> bytes, int flags);
    // option_calls.cc: options and events
    Answer set_option(const CallStep& call);
    Answer get_option(const CallStep& call);
    Answer poll(const CallStep& call);
    Answer make_epoll(const CallStep& call);
    Answer control_epoll(const CallStep& call);
    Answer wait_epoll(const CallStep& call);

    [[nodiscard]] std::string judge(const CallStep& call, const Answer& answer) const;
    [[nodiscard]] std::int64_t number(const CallStep& call, std::size_t argument) const;
    [[nodiscard]] Socket& socket(const CallStep& call, std::size_t argument = 0);
    // The script's number for a new live descriptor is the result it expects.
    void remember(const CallStep& call, long live);
    [[nodiscard]] int script_number(int live) const;

    CallWorld& world_;
    std::map<std::string, Handler> handlers_;
    std::map<std::int64_t, Socket> sockets_;  // by the script's number
    Socket nobody_;
    int last_opened_ = -1;
};

}  // namespace mtcp::ladder
