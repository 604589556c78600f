// SPDX-License-Identifier: Apache-2.0
// Control messages over a SOCK_SEQPACKET socket, each with at most one file descriptor.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "io/memif/file_descriptor.h"
#include "io/memif/protocol.h"

namespace mtcp::io::memif {

enum class Arrival : unsigned char { message, nothing, closed };

// Never blocks. `descriptor` is what came with the message, or stays closed. A message of another
// size counts as the end of the conversation.
[[nodiscard]] Arrival receive_message(int socket, Message& message, FileDescriptor& descriptor);
// Never blocks; false when the other end is gone or does not read.
[[nodiscard]] bool send_message(int socket, const Message& message, int descriptor);

// Texts in messages are cut to fit and always end in NUL; what a stranger sent may not.
template <std::size_t kSize>
void put_text(std::array<char, kSize>& field, std::string_view text) {
    field.fill('\0');
    text.substr(0, kSize - 1).copy(field.data(), kSize - 1);
}
// Characters that could confuse a log or a terminal become '?'.
template <std::size_t kSize>
[[nodiscard]] std::string get_text(const std::array<char, kSize>& field) {
    std::string text(field.data(), kSize);
    text.resize(std::min(text.find('\0'), kSize));
    for (char& c : text) {
        if (c < ' ' || c > '~') c = '?';
    }
    return text;
}

}  // namespace mtcp::io::memif
