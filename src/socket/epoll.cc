// SPDX-License-Identifier: Apache-2.0
// Handing out what is ready.
#include "socket/epoll.h"

#include <new>

#include "socket/readiness.h"

namespace mtcp::socket {
namespace {

constexpr std::uint32_t kModes = EpollBits::one_shot | EpollBits::edge | EpollBits::without_meaning;
constexpr std::uint32_t kPollInvalid = 0x020;  // POLLNVAL

Instant deadline_in(Application& app, int timeout_ms) {
    if (timeout_ms == 0) return kLongAgo;  // who spins need not know what time it is
    return timeout_ms < 0 ? kNever : app.now() + milliseconds(timeout_ms);
}

void recycle_quarantine(Application& app, Epoll& epoll) {
    while (epoll.quarantine != kNoIndex) {
        const std::uint32_t id = epoll.quarantine;
        epoll.quarantine = app.table().at(id).next_free;
        app.table().recycle(id);
    }
}

// What to tell of an interest in `watched` now; 0: nothing.
std::uint32_t bits_of(Application& app, const Interest& interest, const Descriptor& watched) {
    const std::uint32_t events = interest.events;
    if ((events & ~kModes) == 0) return 0;  // a one-shot that has fired
    return visible_bits(readiness_for(app, watched, events), events & ~kModes);
}

void fill_in(EventArray& array, Interest& interest, Descriptor& watched, std::uint32_t bits) {
    array.out[array.count++] = {.events = bits, .data = interest.data()};
    watched.reported_epoll = array.epoll_id;
    watched.reported_wait = array.epoll.wait_number;
    if ((interest.events & EpollBits::one_shot) != 0) interest.events &= kModes;
}

// One round over the ready list, oldest first; what stays level-ready goes to its end.
void hand_out(Application& app, EventArray& array) {
    ReadyLists& lists = app.ready();
    for (std::uint32_t left = array.epoll.ready_count();
         left != 0 && array.count < array.out.size(); --left) {
        const std::uint32_t index = lists.dequeue(array.epoll);
        Interest& interest = lists.at(index);
        Descriptor& watched = app.table().at(lists.watched_by(index));
        // Once in an array, for the program may close it when it comes to the first entry.
        const bool again = watched.reported_wait == array.epoll.wait_number;
        const std::uint32_t bits = again ? 0 : bits_of(app, interest, watched);
        if (again) lists.enqueue(index);
        if (bits == 0) continue;
        const bool stays = (interest.events & (EpollBits::one_shot | EpollBits::edge)) == 0;
        fill_in(array, interest, watched, bits);
        if (stays) lists.enqueue(index);
    }
}

}  // namespace

// With nothing on the list, what is put on it is the first to be taken off; and what is told once
// only does not go back there. So an event of a socket that nobody else watches needs no list.
bool hand_out_at_once(Application& app, EventArray& array, Descriptor& d, std::uint32_t bits) {
    Interest& interest = d.watch;
    if (interest.epoll != array.epoll_id || interest.next_of_descriptor != kNoIndex) return false;
    if ((interest.events & (EpollBits::one_shot | EpollBits::edge)) == 0) return false;
    if (array.epoll.ready_count() != 0 || array.count == array.out.size()) return false;
    if (d.reported_wait == array.epoll.wait_number) return false;
    if ((interest.events & bits) == 0) return true;  // nobody wants to know
    const std::uint32_t found = bits_of(app, interest, d);
    if (found != 0) fill_in(array, interest, d, found);
    return true;
}

long make_epoll(Application& app) {
    auto* const epoll = new (std::nothrow) Epoll;
    if (epoll == nullptr) return -ENOMEM;
    const std::uint32_t id = app.table().take(DescriptorKind::epoll);
    if (id == kNoIndex) {
        delete epoll;
        return -EMFILE;
    }
    app.table().at(id).epoll = epoll;
    return static_cast<long>(id);
}

long control_epoll(Application& app, Descriptor& d, EpollOperation operation, Descriptor& watched,
                   const EpollEvent& event) {
    if (d.kind != DescriptorKind::epoll || watched.kind == DescriptorKind::epoll) return -EINVAL;
    ReadyLists& lists = app.ready();
    std::uint32_t index = lists.find(app.table().id_of(d), watched);
    switch (operation) {
        case EpollOperation::remove:
            if (index == kNoIndex) return -ENOENT;
            lists.remove(index);
            return 0;
        case EpollOperation::add:
            if (index != kNoIndex) return -EEXIST;
            index = lists.add(app.table().id_of(d), watched);
            if (index == kNoIndex) return -ENOSPC;
            break;
        case EpollOperation::modify:
            if (index == kNoIndex) return -ENOENT;
            break;
        default: return -EINVAL;
    }
    Interest& interest = lists.at(index);
    interest.events = event.events | EpollBits::always;
    interest.set_data(event.data);
    if ((readiness_for(app, watched, interest.events) & interest.events) != 0) {
        lists.enqueue(index);
        app.after_wait(1);
    }
    return 0;
}

long wait_epoll(Application& app, Descriptor& d, std::span<EpollEvent> out, int timeout_ms) {
    if (d.kind != DescriptorKind::epoll || out.empty()) return -EINVAL;
    Epoll& epoll = *d.epoll;
    recycle_quarantine(app, epoll);
    epoll.wait_number = app.next_wait_number();
    app.drain_events();
    // A wait that finds something lets the stack run all the same, or a program that is always busy
    // would starve it.
    if (epoll.ready_count() != 0) static_cast<void>(app.run_stack_for_retry());
    EventArray array{.out = out, .count = 0, .epoll = epoll, .epoll_id = app.table().id_of(d)};
    const auto look = [&app, &array]() -> long {
        hand_out(app, array);
        return array.count != 0 ? static_cast<long>(array.count) : -EAGAIN;
    };
    long found = look();
    if (found == -EAGAIN) found = app.wait_for(deadline_in(app, timeout_ms), look, &array);
    if (found == -EAGAIN) found = 0;
    app.after_wait(found);
    return found;
}

void close_epoll(Application& app, Descriptor& d) {
    Epoll* const epoll = d.epoll;
    ReadyLists& lists = app.ready();
    for (std::uint32_t i = lists.first_of(*epoll); i != kNoIndex; i = lists.first_of(*epoll))
        lists.remove(i);
    recycle_quarantine(app, *epoll);
    app.release(d);
    delete epoll;
}

namespace {

// Would a wait find something? What is ready no more leaves the list.
std::uint32_t epoll_readiness(Application& app, Epoll& epoll) {
    ReadyLists& lists = app.ready();
    while (epoll.ready_count() != 0) {
        const std::uint32_t index = lists.first_ready(epoll);
        const Descriptor& watched = app.table().at(lists.watched_by(index));
        if (bits_of(app, lists.at(index), watched) != 0) return EpollBits::readable;
        static_cast<void>(lists.dequeue(epoll));
    }
    return 0;
}

std::uint32_t poll_bits(Application& app, const PollEntry& entry) {
    const Descriptor* const d = app.table().find(entry.descriptor);
    if (d == nullptr) return kPollInvalid;
    const std::uint32_t wanted = static_cast<std::uint16_t>(entry.wanted);
    const std::uint32_t ready = d->kind == DescriptorKind::epoll ? epoll_readiness(app, *d->epoll)
                                                                 : readiness_for(app, *d, wanted);
    return visible_bits(ready, wanted);
}

}  // namespace

long poll(Application& app, std::span<PollEntry> entries, int timeout_ms) {
    const auto look = [&app, entries]() -> long {
        long found = 0;
        for (PollEntry& entry : entries) {
            entry.found = 0;
            if (entry.descriptor < 0) continue;
            const std::uint32_t bits = poll_bits(app, entry);
            entry.found = static_cast<std::int16_t>(bits);
            if (bits != 0) ++found;
        }
        return found != 0 ? found : -EAGAIN;
    };
    app.drain_events();
    long found = look();
    if (found > 0 && app.run_stack_for_retry()) found = look();  // as wait_epoll()
    if (found == -EAGAIN) found = app.wait_for(deadline_in(app, timeout_ms), look);
    if (found == -EAGAIN) found = 0;
    app.after_wait(found);
    return found;
}

}  // namespace mtcp::socket
