// SPDX-License-Identifier: Apache-2.0
// The conversation on one control socket, from hello to connected, in either role. It answers one
// message at a time and never blocks.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "io/memif/memif_config.h"
#include "io/memif/message.h"
#include "io/memif/session.h"

namespace mtcp::io::memif {

// Said in hello or init by an end that is configured with both_ends_ours.
inline constexpr std::string_view kProgramName = "mtcp";
inline constexpr std::string_view kProgramNameOurs = "mtcp both_ends_ours";

class Channel {
  public:
    enum class State : unsigned char {
        greeting,     // hello is awaited (slave) or sent (master)
        negotiating,  // the interface is agreed on
        connected,    // session() is in use
        closed,       // reason() says why
    };
    // Whether the interface has a peer already, on another channel.
    enum class Interface : unsigned char { free, taken };

    // The configuration outlives the channel.
    Channel(FileDescriptor socket, const MemifConfig& config);

    // Reads what has arrived and answers it.
    void on_readable(Interface interface);
    // Says good-bye, if the socket still takes it, and closes.
    void disconnect(const std::string& reason);

    [[nodiscard]] State state() const { return state_; }
    [[nodiscard]] int socket() const { return socket_.get(); }
    [[nodiscard]] const std::shared_ptr<Session>& session() const { return session_; }
    [[nodiscard]] const std::string& reason() const { return reason_; }
    // Rounds of the control thread since the other end was last heard, while not connected.
    unsigned rounds_waited = 0;

  private:
    struct Outgoing {
        Message message;
        int descriptor = -1;  // lent by the session
    };

    void handle(const Message& message, FileDescriptor descriptor, Interface interface);
    void close(const std::string& reason);
    void send(const Message& message, int descriptor = -1);
    void acknowledge();

    // Slave.
    void on_hello(const Hello& hello);
    void queue_offer();
    void on_ack();
    void on_connected(const Connect& connected);
    // Master.
    void send_hello();
    void on_init(const Init& init, Interface interface);
    void on_add_region(const AddRegion& add, const FileDescriptor& descriptor);
    void on_add_ring(const AddRing& add, FileDescriptor descriptor);
    void on_connect(const Connect& connect);

    void note_program(std::string_view name);
    [[nodiscard]] std::string_view own_program() const;

    const MemifConfig& config_;
    FileDescriptor socket_;
    State state_ = State::greeting;
    std::shared_ptr<Session> session_;
    std::vector<Outgoing> offer_;  // the slave's messages, one sent per acknowledgement
    std::size_t offered_ = 0;
    std::string reason_;
};

}  // namespace mtcp::io::memif
