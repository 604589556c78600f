// SPDX-License-Identifier: Apache-2.0
// Calls that move bytes. What is read is compared with what the script's packets carried.
#include <sys/socket.h>

#include "tests/ladder/calls.h"
#include "tests/ladder/constants.h"
#include "tests/ladder/packet_codec.h"

namespace mtcp::ladder {

// read(4, ..., 1000), recv(4, ..., 1000, MSG_PEEK)
Calls::Answer Calls::receive(const CallStep& call) {
    Socket& from = socket(call);
    const int flags = static_cast<int>(number(call, 3));
    std::vector<std::byte> buffer(static_cast<std::size_t>(number(call, 2)));
    const long answer = world_.sockets().receive(from.live, buffer, flags);
    // Urgent bytes leave holes in the stream that is read.
    if ((flags & (MSG_OOB | MSG_TRUNC)) != 0) from.plain_bytes = false;
    if (answer <= 0 || !from.plain_bytes) return {answer, ""};
    for (long i = 0; i < answer; ++i) {
        const std::uint64_t position = from.read_position + static_cast<std::uint64_t>(i);
        if (buffer[static_cast<std::size_t>(i)] ==
            pattern_byte(static_cast<std::uint32_t>(position))) {
            continue;
        }
        return {answer, "byte " + std::to_string(position) + " of the stream is wrong"};
    }
    if ((flags & MSG_PEEK) == 0) from.read_position += static_cast<std::uint64_t>(answer);
    return {answer, ""};
}

Calls::Answer Calls::transmit(Socket& socket, std::span<const std::byte> bytes, int flags) {
    const bool opens = (flags & MSG_FASTOPEN) != 0;
    if (opens) last_opened_ = socket.live;
    const long answer =
        opens ? world_.sockets().send_to(socket.live, {kRemoteAddress, kServicePort}, bytes, flags)
              : world_.sockets().send(socket.live, bytes, flags);
    if (answer > 0) {
        world_.on_written(socket.live, bytes.first(static_cast<std::size_t>(answer)));
        socket.write_position += static_cast<std::uint64_t>(answer);
    }
    return {answer, ""};
}

// write(4, ..., 1000), send(4, "text", 4, MSG_MORE)
Calls::Answer Calls::send(const CallStep& call) {
    Socket& to = socket(call);
    std::vector<std::byte> bytes(static_cast<std::size_t>(number(call, 2)));
    const Expression& source = call.arguments[1];
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const bool given = source.kind == Expression::Kind::string && i < source.text.size();
        bytes[i] = given ? static_cast<std::byte>(source.text[i])
                         : pattern_byte(static_cast<std::uint32_t>(to.write_position + i));
    }
    return transmit(to, bytes, static_cast<int>(number(call, 3)));
}

// sendmsg(4, {msg_name(...)=..., msg_iov(1)=[{..., 40}], msg_flags=0}, MSG_MORE)
Calls::Answer Calls::send_message(const CallStep& call) {
    Socket& to = socket(call);
    const Expression& message = call.arguments[1];
    std::size_t size = 0;
    for (std::size_t i = 0; i < message.items.size(); ++i) {
        if (message.names[i] != "msg_iov") continue;
        for (const Expression& buffer : message.items[i].items) {
            size += static_cast<std::size_t>(evaluate(buffer.items[1]).value_or(0));
        }
    }
    std::vector<std::byte> bytes(size);
    for (std::size_t i = 0; i < size; ++i) {
        bytes[i] = pattern_byte(static_cast<std::uint32_t>(to.write_position + i));
    }
    return transmit(to, bytes, static_cast<int>(number(call, 2)));
}

// ioctl(4, SIOCINQ, [1000])
Calls::Answer Calls::ioctl(const CallStep& call) {
    int found = 0;
    const long answer =
        world_.sockets().control(socket(call).live, static_cast<int>(number(call, 1)), found);
    if (answer < 0) return {answer, ""};
    return {answer, found == number(call, 2) ? "" : "gave " + std::to_string(found)};
}

}  // namespace mtcp::ladder
