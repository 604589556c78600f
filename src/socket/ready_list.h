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
    // EPOLLEXCLUSIVE, EPOLLWAKEUP: one thread waits, and nothing sleeps because of it.
    static constexpr std::uint32_t without_meaning = 1u << 28 | 1u << 29;
    static constexpr std::uint32_t readable = in | read_normal;
    static constexpr std::uint32_t writable = out | write_normal;
    static constexpr std::uint32_t always = err | hup;  // reported though not asked for
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

// Interests are named by an index: the one in a descriptor by the descriptor's id, the others, of
// descriptors that several epolls watch, by numbers above all ids.
class ReadyLists {
  public:
    explicit ReadyLists(DescriptorTable& table) : table_(table) {}
    // `more`: interests beside the one in each descriptor.
    [[nodiscard]] bool reserve(std::uint32_t more) { return more_.reserve(more); }

    [[nodiscard]] Interest& at(std::uint32_t index) {
        const std::uint32_t ids = table_.capacity();
        return index < ids ? table_.at(index).watch : more_[index - ids].interest;
    }
    // Id of the descriptor that is watched.
    [[nodiscard]] std::uint32_t watched_by(std::uint32_t index) const {
        const std::uint32_t ids = table_.capacity();
        return index < ids ? index : more_[index - ids].descriptor;
    }
    // The interests in `d`, one after the other; kNoIndex: none.
    [[nodiscard]] std::uint32_t first_in(const Descriptor& d) const {
        return d.watch.in_use() ? table_.id_of(d) : d.watch.next_of_descriptor;
    }
    [[nodiscard]] std::uint32_t next(std::uint32_t index) { return at(index).next_of_descriptor; }
    // Index of the interest of the epoll of this id in `d`, or kNoIndex.
    [[nodiscard]] std::uint32_t find(std::uint32_t epoll, const Descriptor& d);
    // kNoIndex: no memory left.
    [[nodiscard]] std::uint32_t add(std::uint32_t epoll, Descriptor& d);
    void remove(std::uint32_t index);
    // The first interest of the epoll, or kNoIndex.
    [[nodiscard]] std::uint32_t first_of(const Epoll& epoll) const { return epoll.first_; }

    void enqueue(std::uint32_t index);
    [[nodiscard]] std::uint32_t first_ready(const Epoll& epoll) const { return epoll.ready_first_; }
    // Takes the first off the ready list, which must not be empty.
    [[nodiscard]] std::uint32_t dequeue(Epoll& epoll);
    // Of all epolls.
    [[nodiscard]] std::uint32_t ready_total() const { return ready_total_; }

  private:
    struct Another {
        Interest interest;
        std::uint32_t descriptor;
    };
    [[nodiscard]] Epoll& epoll_of(const Interest& interest) {
        return *table_.at(interest.epoll).epoll;
    }
    void unlink_ready(std::uint32_t index);
    void unlink_of_descriptor(std::uint32_t index);

    DescriptorTable& table_;
    IndexPool<Another> more_;
    std::uint32_t ready_total_ = 0;
};

}  // namespace mtcp::socket
