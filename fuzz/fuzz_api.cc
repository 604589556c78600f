// SPDX-License-Identifier: Apache-2.0
// The C API alone: calls in any order with any arguments on a live context that talks to itself. No
// call may crash, block beyond its time-out, or forget what it holds.
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <string>
#include <vector>

#include "fuzz/input.h"
#include "mtcp_api.h"
#include "mtcp_epoll.h"

namespace mtcp::fuzz {
namespace {

constexpr int kCallsMax = 400;
constexpr const char* kConfiguration =
    "io = link\naddress = 10.0.0.2/24\ndrive = inline\nnum_cores = 1\nmax_concurrency = 64\n"
    "max_num_buffers = 64\nrcvbuf = 16384\nsndbuf = 16384\n"
    "fast_open = client server client_without_cookie server_without_cookie every_listener\n";

mctx_t context = nullptr;

void open_stack() {
    if (mtcp_init_from_text(kConfiguration) != 0) {
        std::fprintf(stderr, "%s\n", mtcp_last_problem());
        std::abort();
    }
    context = mtcp_create_context(0);
    MTCP_FUZZ_CHECK(context != nullptr);
}

class Run {
  public:
    Run(const std::uint8_t* data, std::size_t size) : in_(data, size) {
        if (context == nullptr) open_stack();
    }

    void run() {
        for (int i = 0; i < kCallsMax && !in_.ended(); ++i)
            call();
        // What a program forgets, we close: the next input begins with none.
        for (int id = 0; id < 64; ++id)
            static_cast<void>(mtcp_abort(context, id));
        for (int id = 0; id < 64; ++id)
            static_cast<void>(mtcp_close(context, id));
        for (int id = 0; id < 64; ++id)
            MTCP_FUZZ_CHECK(mtcp_close(context, id) == -1);
        // All ids are there again.
        std::vector<int> ids;
        for (int id; (id = mtcp_socket(context, AF_INET, SOCK_STREAM, 0)) >= 0;)
            ids.push_back(id);
        MTCP_FUZZ_CHECK(ids.size() == 64);
        for (const int id : ids)
            MTCP_FUZZ_CHECK(mtcp_close(context, id) == 0);
    }

  private:
    int id() {
        const std::uint8_t b = in_.byte();
        if (b >= 250) return static_cast<int>(in_.number());
        return b % 24;
    }
    std::size_t length() { return in_.coin() ? in_.byte() : in_.word() % room_.size(); }
    char* buffer() { return in_.below(32) == 0 ? nullptr : room_.data(); }
    sockaddr_in address() {
        sockaddr_in a{};
        a.sin_family = in_.below(16) == 0 ? in_.byte() : AF_INET;
        a.sin_port = htons(in_.coin() ? static_cast<std::uint16_t>(80 + in_.below(4)) : in_.word());
        constexpr in_addr_t kAddresses[] = {0x0a000002, 0x7f000001, 0, 0x0a000009, 0xffffffff};
        const std::uint32_t which = in_.below(6);
        a.sin_addr.s_addr = htonl(which < 5 ? kAddresses[which] : in_.number());
        return a;
    }
    socklen_t address_length() {
        return in_.below(8) == 0 ? in_.byte() : static_cast<socklen_t>(sizeof(sockaddr_in));
    }

    // New ids never block for long.
    void tame(int made) {
        if (made < 0) return;
        if (in_.below(4) != 0) {
            static_cast<void>(mtcp_setsock_nonblock(context, made));
            return;
        }
        const timeval soon{0, 1000};
        static_cast<void>(
            mtcp_setsockopt(context, made, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon));
        static_cast<void>(
            mtcp_setsockopt(context, made, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof soon));
    }

    void call() {
        switch (in_.below(8)) {
            case 0: make(); break;
            case 1: connection(); break;
            case 2:
            case 3: transfer(); break;
            case 4: events(); break;
            case 5: options(); break;
            case 6: names(); break;
            default: end(); break;
        }
    }
    void make() {
        switch (in_.below(5)) {
            case 0:
                tame(mtcp_socket(context, in_.below(8) == 0 ? in_.byte() : AF_INET,
                                 in_.below(8) == 0 ? static_cast<int>(in_.number()) : SOCK_STREAM,
                                 in_.below(8) == 0 ? in_.byte() : 0));
                break;
            case 1: static_cast<void>(mtcp_epoll_create(context, in_.byte() - 8)); break;
            case 2:
                static_cast<void>(mtcp_epoll_create1(context, in_.coin() ? 0 : in_.word()));
                break;
            case 3: {
                int ends[2];
                if (mtcp_pipe(context, in_.below(8) == 0 ? nullptr : ends) == 0) {
                    static_cast<void>(mtcp_setsock_nonblock(context, ends[0]));
                    static_cast<void>(mtcp_setsock_nonblock(context, ends[1]));
                }
                break;
            }
            default: tame(mtcp_socket(context, AF_INET, SOCK_STREAM, 0)); break;
        }
    }
    void connection() {
        const sockaddr_in a = address();
        const auto* where = reinterpret_cast<const sockaddr*>(&a);
        switch (in_.below(5)) {
            case 0:
                static_cast<void>(mtcp_bind(context, id(), in_.below(16) == 0 ? nullptr : where,
                                            address_length()));
                break;
            case 1:
                static_cast<void>(mtcp_listen(context, id(), static_cast<int>(in_.byte()) - 4));
                break;
            case 2: tame(mtcp_accept(context, id(), nullptr, nullptr)); break;
            case 3: {
                sockaddr_in from;
                socklen_t room = address_length();
                if (room > sizeof from) room = sizeof from;
                tame(mtcp_accept4(context, id(), reinterpret_cast<sockaddr*>(&from), &room,
                                  in_.coin() ? int{SOCK_NONBLOCK} : int{in_.word()}));
                break;
            }
            default:
                static_cast<void>(mtcp_connect(context, id(), in_.below(16) == 0 ? nullptr : where,
                                               address_length()));
                break;
        }
    }
    void transfer() {
        const int which = id();
        const std::size_t n = length();
        iovec parts[4] = {{buffer(), n / 2}, {room_.data(), 0}, {buffer(), n / 3}, {nullptr, 0}};
        msghdr message{};
        message.msg_iov = parts;
        message.msg_iovlen = in_.below(5);
        if (in_.below(16) == 0) message.msg_controllen = in_.byte();
        constexpr int kFlags[] = {0,       MSG_DONTWAIT, MSG_PEEK, MSG_MORE,
                                  MSG_OOB, MSG_WAITALL,  MSG_EOR};
        const std::uint32_t f = in_.below(8);
        const int flags = f < 7 ? kFlags[f] : static_cast<int>(in_.number());
        switch (in_.below(8)) {
            case 0: static_cast<void>(mtcp_read(context, which, buffer(), n)); break;
            case 1: static_cast<void>(mtcp_recv(context, which, buffer(), n, flags)); break;
            case 2: static_cast<void>(mtcp_readv(context, which, parts, in_.byte() % 6 - 1)); break;
            case 3: static_cast<void>(mtcp_recvmsg(context, which, &message, flags)); break;
            case 4: static_cast<void>(mtcp_write(context, which, buffer(), n)); break;
            case 5: static_cast<void>(mtcp_send(context, which, buffer(), n, flags)); break;
            case 6:
                static_cast<void>(mtcp_writev(context, which, parts, in_.byte() % 6 - 1));
                break;
            default: static_cast<void>(mtcp_sendmsg(context, which, &message, flags)); break;
        }
    }
    void events() {
        switch (in_.below(3)) {
            case 0: {
                mtcp_epoll_event event{};
                event.events = in_.coin() ? MTCP_EPOLLIN | MTCP_EPOLLOUT : in_.number();
                event.data.sockid = id();
                static_cast<void>(mtcp_epoll_ctl(context, id(), in_.byte() % 5, id(),
                                                 in_.below(16) == 0 ? nullptr : &event));
                break;
            }
            case 1: {
                std::array<mtcp_epoll_event, 8> found;
                static_cast<void>(mtcp_epoll_wait(context, id(), found.data(),
                                                  static_cast<int>(in_.byte() % 10) - 1,
                                                  in_.below(8) == 0 ? 1 : 0));
                break;
            }
            default: {
                std::array<mtcp_pollfd, 4> fds{};
                for (mtcp_pollfd& fd : fds) {
                    fd.sockid = id();
                    fd.events = static_cast<short>(in_.word());
                }
                static_cast<void>(mtcp_poll(context, fds.data(), in_.below(5), 0));
                break;
            }
        }
    }
    void options() {
        constexpr int kLevels[] = {SOL_SOCKET, IPPROTO_TCP, IPPROTO_IP};
        const int level = in_.below(16) == 0 ? in_.byte() : kLevels[in_.below(3)];
        const int name = in_.below(16) == 0 ? static_cast<int>(in_.number()) : in_.byte() % 80;
        alignas(8) std::array<char, 64> value{};
        switch (in_.below(3)) {
            case 0: {
                socklen_t room = in_.byte() % 65;
                static_cast<void>(mtcp_getsockopt(context, id(), level, name, value.data(),
                                                  in_.below(16) == 0 ? nullptr : &room));
                break;
            }
            case 1: {
                // What would let a call wait for ever is left alone.
                if (level == SOL_SOCKET &&
                    (name == SO_RCVTIMEO || name == SO_SNDTIMEO || name == SO_LINGER)) {
                    break;
                }
                const auto bytes = in_.take(in_.below(17));
                std::memcpy(value.data(), bytes.data(), bytes.size());
                static_cast<void>(
                    mtcp_setsockopt(context, id(), level, name, value.data(),
                                    in_.coin() ? socklen_t{4} : socklen_t{in_.byte()} % 65u));
                break;
            }
            default: {
                int argument = static_cast<int>(in_.byte());
                constexpr unsigned long kRequests[] = {FIONREAD, 0x8905 /* SIOCATMARK */,
                                                       0x5411 /* SIOCOUTQ */, 0x1234};
                static_cast<void>(mtcp_socket_ioctl(context, id(),
                                                    static_cast<int>(kRequests[in_.below(4)]),
                                                    in_.below(16) == 0 ? nullptr : &argument));
                break;
            }
        }
    }
    void names() {
        sockaddr_in a;
        socklen_t room = std::min<socklen_t>(address_length(), sizeof a);
        switch (in_.below(4)) {
            case 0:
                static_cast<void>(
                    mtcp_getsockname(context, id(), reinterpret_cast<sockaddr*>(&a), &room));
                break;
            case 1:
                static_cast<void>(
                    mtcp_getpeername(context, id(), reinterpret_cast<sockaddr*>(&a), &room));
                break;
            case 2: {
                const sockaddr_in where = address();
                static_cast<void>(mtcp_init_rss(context, where.sin_addr.s_addr,
                                                static_cast<int>(in_.byte()) - 2, 0, 0));
                break;
            }
            default: fewer_steps(in_.number()); break;
        }
    }
    // The calls that do more at once, and connections that carry data with their SYN.
    void fewer_steps(std::uint32_t choice) {
        static_cast<void>(EventToString(choice));
        const int which = static_cast<int>(choice >> 8 & 31);
        const std::size_t n = choice >> 16;
        switch (choice % 8) {
            case 0: static_cast<void>(mtcp_expect(context, which)); break;
            case 1: {
                std::array<int, 4> made{};
                const int count =
                    mtcp_accept_many(context, which, made.data(), static_cast<int>(n % 6) - 1, 0);
                for (int i = 0; i < count; ++i)
                    tame(made.at(static_cast<std::size_t>(i)));
                break;
            }
            case 2: {
                std::array<iovec, 4> pieces{};
                int count = static_cast<int>(n % 6) - 1;
                std::size_t shown = 0;
                const ssize_t bytes = mtcp_recv_in_place(context, which, pieces.data(), &count,
                                                         (n & 64) != 0 ? int{MSG_DONTWAIT} : 0);
                if (bytes < 0) break;
                for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
                    shown += pieces.at(i).iov_len;
                    if (pieces.at(i).iov_len != 0)
                        room_.front() = *static_cast<const char*>(pieces.at(i).iov_base);
                }
                MTCP_FUZZ_CHECK(shown == static_cast<std::size_t>(bytes));
                static_cast<void>(mtcp_recv_done(context, which, n % (shown + 2)));
                break;
            }
            case 3: static_cast<void>(mtcp_recv_done(context, which, n)); break;
            case 4:
                static_cast<void>(mtcp_send_close(context, which, room_.data(), n % room_.size()));
                break;
            case 5:
            case 6: {
                const sockaddr_in a = address();
                static_cast<void>(mtcp_sendto(
                    context, which, room_.data(), n % room_.size(),
                    MSG_FASTOPEN | ((n & 1) != 0 ? int{MSG_DONTWAIT} : 0),
                    (n & 6) != 0 ? reinterpret_cast<const sockaddr*>(&a) : nullptr, sizeof a));
                break;
            }
            default: {
                const sockaddr_in nobody{};
                static_cast<void>(mtcp_connect(
                    context, which, reinterpret_cast<const sockaddr*>(&nobody), sizeof nobody));
                break;
            }
        }
    }
    void end() {
        switch (in_.below(4)) {
            case 0: static_cast<void>(mtcp_close(context, id())); break;
            case 1: static_cast<void>(mtcp_abort(context, id())); break;
            case 2:
                static_cast<void>(
                    mtcp_shutdown(context, id(), static_cast<int>(in_.byte() % 5) - 1));
                break;
            default: tame(id()); break;
        }
    }

    Input in_;
    std::array<char, 20'000> room_{};
};

}  // namespace
}  // namespace mtcp::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    mtcp::fuzz::Run(data, size).run();
    return 0;
}
