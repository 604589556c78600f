// SPDX-License-Identifier: Apache-2.0
// Who watches whom: one Interest per pair of epoll and descriptor, and for every epoll the list of
// those that may be ready. Every step costs a constant; waiting costs what is ready.
#pragma once

#include <cstdint>

#include "base/index_pool.h"
#include "socket/descriptor_table.h"

namespace mtcp::socket {

// Event bits, with Linux's values (epoll_ctl(2)); those of the C API are the same.
struct EpollBits {
    static constexpr std::uint32_t in = 0x001, pri = 0x002, out = 0x004, err = 0x008, hup = 0x010;
    static constexpr std::uint32_t read_normal = 0x040, write_normal = 0x100, read_hup = 0x2000;
    static constexpr std::uint32_t one_shot = 1u << 30, edge = 1u << 31;
    static constexpr std::uint32_t readable = in | read_normal;
    static constexpr std::uint32_t writable = out | write_normal;
    static constexpr std::uint32_t always = err | hup;  // reported though not asked for
};

struct Interest {
    std::uint64_t data;  // the program's
    Epoll* epoll;
    std::uint32_t events;      // wanted; 0 wanted bits after a one-shot event
    std::uint32_t descriptor;  // id that is watched
    std::uint32_t next_of_descriptor;
    std::uint32_t epoll_previous, epoll_next;  // all interests of the epoll
    std::uint32_t ready_previous, ready_next;  // those on its ready list
    std::uint32_t on_ready_list;
};

// An epoll descriptor.
class Epoll {
  public:
    [[nodiscard]] std::uint32_t ready_count() const { return ready_count_; }
    // Of the wait whose array of events the program may be working through.
    std::uint32_t wait_number = 0;
    // Ids closed while that array named them; see Descriptor::next_free.
    std::uint32_t quarantine = kNoIndex;

  private:
    friend class ReadyLists;
    std::uint32_t first_ = kNoIndex;
    std::uint32_t ready_first_ = kNoIndex;
    std::uint32_t ready_last_ = kNoIndex;
    std::uint32_t ready_count_ = 0;
};

class ReadyLists {
  public:
    [[nodiscard]] bool reserve(std::uint32_t interests) { return pool_.reserve(interests); }

    [[nodiscard]] Interest& at(std::uint32_t index) { return pool_[index]; }
    // Index of the interest of `epoll` in `d`, or kNoIndex.
    [[nodiscard]] std::uint32_t find(const Epoll& epoll, const Descriptor& d);
    // kNoIndex: no memory left.
    [[nodiscard]] std::uint32_t add(Epoll& epoll, Descriptor& d, std::uint32_t id);
    void remove(Descriptor& d, std::uint32_t index);
    // The first interest of the epoll, or kNoIndex.
    [[nodiscard]] std::uint32_t first_of(const Epoll& epoll) const { return epoll.first_; }

    void enqueue(std::uint32_t index);
    // Takes the first off the ready list, which must not be empty.
    [[nodiscard]] std::uint32_t dequeue(Epoll& epoll);
    // Of all epolls.
    [[nodiscard]] std::uint32_t ready_total() const { return ready_total_; }

  private:
    void unlink_ready(std::uint32_t index);

    IndexPool<Interest> pool_;
    std::uint32_t ready_total_ = 0;
};

}  // namespace mtcp::socket
