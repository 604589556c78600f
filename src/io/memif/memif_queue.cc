// SPDX-License-Identifier: Apache-2.0
// Which link a frame belongs to, and what happens to frames when links come and go.
#include "io/memif/memif_queue.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/assert.h"

namespace mtcp::io {
namespace {

constexpr std::uint32_t kEthernetHeader = 14;
constexpr std::uint32_t kPoolBuffers = 2048;

// DPDK and VPP may look whether we sleep before their announcement of a frame is visible (link.cc
// says what prevents that), so that a wake-up of theirs can get lost, rarely; nobody then waits
// longer than this.
constexpr Duration kSleepMax = milliseconds(20);

// Nobody tells when a full ring has room again: a sleeper with frames to send looks for himself.
constexpr Duration kRoomPoll = milliseconds(1);

bool watch(int epoll, int descriptor) {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;
    event.data.fd = descriptor;
    return ::epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) == 0;
}

}  // namespace

std::unique_ptr<MemifQueue> MemifQueue::make(const MemifConfig& config,
                                             const memif::SessionMailbox& mailbox,
                                             std::size_t index) {
    std::unique_ptr<MemifQueue> queue(new MemifQueue(config, mailbox, index));
    Capabilities& can = queue->capabilities_;
    can.layer = config.layer;
    can.mtu = config.mtu;
    can.frame_size = config.mtu + (config.layer == Layer::ethernet ? kEthernetHeader : 0);
    if (!queue->pool_.reserve(kPoolBuffers, std::max(config.buffer_size, can.frame_size))) {
        return nullptr;
    }
    queue->epoll_ = memif::FileDescriptor(::epoll_create1(EPOLL_CLOEXEC));
    if (!queue->epoll_.open() || !watch(queue->epoll_.get(), mailbox.doorbell(index)))
        return nullptr;
    return queue;
}

MemifQueue::~MemifQueue() = default;

// Not on the path of a packet: the peer has come, gone or changed.
void MemifQueue::change_session() {
    std::shared_ptr<memif::Session> session = mailbox_.current(epoch_);
    if (watched_ >= 0) {
        // By hand: the peer keeps the eventfd open, so that closing ours would not end the watch.
        static_cast<void>(::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, watched_, nullptr));
        watched_ = -1;
    }
    if (link_ != nullptr && link_->on_loan() != 0) former_links_.push_back(std::move(link_));
    link_.reset();
    reported_broken_ = false;
    if (session != nullptr) {
        if (++last_tag_ == memif::kPoolTag) ++last_tag_;
        link_ = memif::make_link(std::move(session), index_, last_tag_, config_);
        if (link_->interrupt() >= 0 && watch(epoll_.get(), link_->interrupt())) {
            watched_ = link_->interrupt();
        }
    }
    const bool ours = link_ != nullptr && link_->session().both_ends_ours;
    capabilities_.cannot_corrupt = ours;
    capabilities_.transmit_checksum = ours;
}

void MemifQueue::report_broken_peer() {
    if (reported_broken_) return;
    reported_broken_ = true;
    mailbox_.wake_control();
}

std::size_t MemifQueue::receive(std::span<Frame> frames, Instant now) {
    refresh();
    now_ = now;
    if (link_ == nullptr) return 0;
    const std::size_t count = link_->receive(frames, context());
    if (link_->broken()) [[unlikely]]
        report_broken_peer();
    return count;
}

std::size_t MemifQueue::allocate(std::span<Frame> frames) {
    std::size_t count = 0;
    for (; count < frames.size() && !pool_.empty(); ++count) {
        const std::uint32_t index = pool_.take();
        frames[count] = Frame{.data = pool_.data(index),
                              .capacity = pool_.buffer_size(),
                              .token = memif::make_token(memif::kPoolTag, index)};
    }
    return count;
}

std::size_t MemifQueue::drop_all(std::span<Frame> frames) {
    for (const Frame& frame : frames) {
        count_drop(Drop::io_transmit_full);
        release_one(frame);
    }
    return frames.size();
}

std::size_t MemifQueue::transmit(std::span<Frame> frames, Instant now) {
    refresh();
    now_ = now;
    if (link_ == nullptr || !link_->transmits()) return drop_all(frames);
    const std::size_t taken = link_->transmit(frames, context());
    for (const Frame& frame : frames.first(taken))
        release_one(frame);
    if (link_->broken()) [[unlikely]] {
        report_broken_peer();
        return taken + drop_all(frames.subspan(taken));
    }
    room_wanted_ = taken < frames.size();
    return taken;
}

void MemifQueue::release_to_link(const Frame& frame) {
    const std::uint32_t tag = memif::tag_of(frame);
    if (link_ != nullptr && link_->tag() == tag) return link_->release({&frame, 1});
    const auto home = std::find_if(former_links_.begin(), former_links_.end(),
                                   [tag](const auto& link) { return link->tag() == tag; });
    MTCP_ASSERT(home != former_links_.end());
    (*home)->release({&frame, 1});
    if ((*home)->on_loan() == 0) former_links_.erase(home);
}

void MemifQueue::release(std::span<Frame> frames) {
    const std::uint32_t in_link = link_ != nullptr ? link_->tag() : memif::kPoolTag;
    bool lent = false;
    for (const Frame& frame : frames) {
        const std::uint32_t tag = memif::tag_of(frame);
        if (tag == in_link && tag != memif::kPoolTag) {
            lent = true;  // all of them in one go, below
        } else {
            release_one(frame);
        }
    }
    if (lent) link_->release(frames);
}

bool MemifQueue::prepare_wait() {
    refresh();
    waiting_ = true;
    return link_ == nullptr || link_->prepare_wait();
}

void MemifQueue::finish_wait() {
    waiting_ = false;
    room_wanted_ = false;
    if (link_ != nullptr) link_->finish_wait();
    std::array<epoll_event, 2> events;
    static_cast<void>(::epoll_wait(epoll_.get(), events.data(), events.size(), 0));
}

Instant MemifQueue::next_deadline() const {
    if (!waiting_ || link_ == nullptr) return kNever;
    if (room_wanted_) return now_ + kRoomPoll;
    return link_->session().peer_is_mtcp ? kNever : now_ + kSleepMax;
}

}  // namespace mtcp::io
