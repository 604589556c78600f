// SPDX-License-Identifier: Apache-2.0
// sendmsg and recvmsg with SCM_RIGHTS.
#include "io/memif/message.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>

namespace mtcp::io::memif {
namespace {

// Alignment lets a second descriptor slip into the space of one: it is received and closed.
constexpr std::size_t kDescriptorsMax = 2;

struct Control {
    alignas(cmsghdr) char bytes[CMSG_SPACE(sizeof(int) * kDescriptorsMax)];
};

void take_descriptors(msghdr& header, FileDescriptor& descriptor) {
    for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr;
         part = CMSG_NXTHDR(&header, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int value = -1;
            std::memcpy(&value, CMSG_DATA(part) + i * sizeof(int), sizeof value);
            FileDescriptor received(value);
            if (!descriptor.open()) descriptor = std::move(received);
        }
    }
}

}  // namespace

Arrival receive_message(int socket, Message& message, FileDescriptor& descriptor) {
    iovec vector{&message, sizeof message};
    Control control{};
    msghdr header{};
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    header.msg_control = control.bytes;
    header.msg_controllen = sizeof control.bytes;
    const ssize_t got = ::recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0) return errno == EAGAIN || errno == EINTR ? Arrival::nothing : Arrival::closed;
    take_descriptors(header, descriptor);
    return got == sizeof message ? Arrival::message : Arrival::closed;
}

bool send_message(int socket, const Message& message, int descriptor) {
    Message copy = message;
    iovec vector{&copy, sizeof copy};
    Control control{};
    msghdr header{};
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    if (descriptor >= 0) {
        header.msg_control = control.bytes;
        header.msg_controllen = CMSG_SPACE(sizeof(int));
        cmsghdr* part = CMSG_FIRSTHDR(&header);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(sizeof(int));
        std::memcpy(CMSG_DATA(part), &descriptor, sizeof descriptor);
    }
    return ::sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof copy;
}

}  // namespace mtcp::io::memif
