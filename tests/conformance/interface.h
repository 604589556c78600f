// SPDX-License-Identifier: Apache-2.0
// The table of functions through which packetdrill drives a stack in a shared object
// (--so_filename). The order of the fields is packetdrill's; the names are ours.
#pragma once

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>

namespace mtcp::conformance {

// Every function gets `self` first, and answers as the system call of its name: -1 and errno.
struct PacketdrillInterface {
    void* self;
    void (*free)(void* self);

    int (*socket)(void* self, int domain, int type, int protocol);
    int (*bind)(void* self, int fd, const sockaddr* address, socklen_t length);
    int (*listen)(void* self, int fd, int backlog);
    int (*accept)(void* self, int fd, sockaddr* address, socklen_t* length);
    int (*connect)(void* self, int fd, const sockaddr* address, socklen_t length);

    ssize_t (*read)(void* self, int fd, void* data, std::size_t size);
    ssize_t (*readv)(void* self, int fd, const iovec* buffers, int count);
    ssize_t (*recv)(void* self, int fd, void* data, std::size_t size, int flags);
    ssize_t (*recvfrom)(void* self, int fd, void* data, std::size_t size, int flags,
                        sockaddr* address, socklen_t* length);
    ssize_t (*recvmsg)(void* self, int fd, msghdr* message, int flags);

    ssize_t (*write)(void* self, int fd, const void* data, std::size_t size);
    ssize_t (*writev)(void* self, int fd, const iovec* buffers, int count);
    ssize_t (*send)(void* self, int fd, const void* data, std::size_t size, int flags);
    ssize_t (*sendto)(void* self, int fd, const void* data, std::size_t size, int flags,
                      const sockaddr* address, socklen_t length);
    ssize_t (*sendmsg)(void* self, int fd, const msghdr* message, int flags);

    int (*fcntl)(void* self, int fd, int command, ...);
    int (*ioctl)(void* self, int fd, unsigned long request, ...);
    int (*close)(void* self, int fd);
    int (*shutdown)(void* self, int fd, int how);
    int (*getsockopt)(void* self, int fd, int level, int name, void* value, socklen_t* length);
    int (*setsockopt)(void* self, int fd, int level, int name, const void* value, socklen_t length);
    int (*poll)(void* self, pollfd* entries, nfds_t count, int timeout_ms);

    // A raw IP packet to the stack.
    int (*netdev_send)(void* self, const void* packet, std::size_t size);
    // The next raw IP packet of the stack, and when it left. Blocks; `size` is the room, then the
    // packet's length. A length of 0 makes packetdrill end the script as failed, naming the line.
    int (*netdev_receive)(void* self, void* packet, std::size_t* size, long long* time_us);
    int (*usleep)(void* self, useconds_t span_us);
    int (*gettimeofday)(void* self, timeval* time, struct timezone* zone);

    int (*epoll_create)(void* self, int size);
    int (*epoll_ctl)(void* self, int epoll, int operation, int fd, epoll_event* event);
    int (*epoll_wait)(void* self, int epoll, epoll_event* events, int count, int timeout_ms);
    int (*pipe)(void* self, int fds[2]);
    int (*splice)(void* self, int from, loff_t* from_offset, int to, loff_t* to_offset,
                  std::size_t size, unsigned int flags);
};

}  // namespace mtcp::conformance

// What packetdrill looks up. `flags` is the value of --so_flags, or null.
extern "C" void packetdrill_interface_init(const char* flags,
                                           mtcp::conformance::PacketdrillInterface* table);
