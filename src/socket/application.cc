// SPDX-License-Identifier: Apache-2.0
// The application's end of the channel: requests out, events in, and sleeping in between.
#include "socket/application.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <new>
#include <utility>

#include "socket/epoll.h"
#include "socket/pipe.h"

namespace mtcp::socket {
namespace {

constexpr std::size_t kEventBatch = 64;
constexpr std::uint32_t kListenersMax = 65'535;  // tcp::HalfOpen names a listener by 16 bits
// How long a writer that found no chunk sleeps before it looks again: nothing announces chunks.
constexpr Duration kStarvedInterval = milliseconds(1);

// What a program may find changed, for each event that the stack posts.
std::uint32_t epoll_bits(std::uint32_t events) {
    if (events == StreamEvents::readable) [[likely]]
        return EpollBits::readable;
    std::uint32_t bits = 0;
    if ((events & (StreamEvents::connected | StreamEvents::writable)) != 0)
        bits |= EpollBits::writable;
    if ((events & StreamEvents::readable) != 0) bits |= EpollBits::readable;
    if ((events & StreamEvents::urgent) != 0) bits |= EpollBits::pri;
    if ((events & (StreamEvents::peer_closed | StreamEvents::failed | StreamEvents::ended)) != 0) {
        bits |= EpollBits::readable | EpollBits::read_hup | EpollBits::hup;
    }
    if ((events & (StreamEvents::failed | StreamEvents::ended)) != 0) {
        bits |= EpollBits::writable | EpollBits::err;
    }
    return bits;
}

// A reader may have passed the urgent byte before it hears of it.
bool is_mark_ahead(const Stream& s) {
    return static_cast<std::int32_t>(s.urgent_mark.load(std::memory_order_relaxed) -
                                     s.consumed.load(std::memory_order_relaxed)) >= 0;
}

}  // namespace

Application::Application(const CoreView& view)
    : view_(view), cache_(*view.chunks, *view.channel), ready_(table_) {
    expected_.fill(kNoIndex);
}

Result<std::unique_ptr<Application>, Problem> Application::create(const CoreView& view,
                                                                  const Limits& limits) {
    std::unique_ptr<Application> application(new (std::nothrow) Application(view));
    if (application == nullptr) {
        return failure(Problem{"cannot make a context", std::strerror(ENOMEM), "", ENOMEM});
    }
    if (auto reserved = application->reserve(limits); !reserved) return failure(reserved.error());
    return application;
}

Result<Done, Problem> Application::reserve(const Limits& limits) {
    // A socket is in one epoll, rarely in more; address space is all that unused room costs.
    const std::uint32_t more_interests = limits.descriptors + 1024;
    const bool enough = table_.reserve(limits.descriptors, view_.pages) &&
                        ready_.reserve(more_interests) &&
                        ports_.reserve(limits.port_first, limits.port_last, limits.seed);
    if (!enough) {
        return failure(Problem{"cannot reserve memory for a context's sockets",
                               std::strerror(ENOMEM), "lower max_concurrency", ENOMEM});
    }
    table_.set_defaults(view_.defaults);
    starved_.reserve(256);
    return Done{};
}

Application::~Application() {
    // Pipes before epolls: closing one end tells the epolls that watch the other.
    for (std::uint32_t id = 0; id < table_.touched(); ++id) {
        Descriptor& d = table_.at(id);
        if (d.kind != DescriptorKind::pipe_read && d.kind != DescriptorKind::pipe_write) continue;
        close_pipe_end(*this, d);
        d.kind = DescriptorKind::unused;
    }
    for (std::uint32_t id = 0; id < table_.touched(); ++id) {
        if (table_.at(id).kind == DescriptorKind::epoll) delete table_.at(id).epoll;
    }
    if (signal_fd_ >= 0) ::close(signal_fd_);
    if (epoll_fd_ >= 0) ::close(epoll_fd_);
}

void Application::release(Descriptor& d) {
    const std::uint32_t id = table_.id_of(d);
    for (std::uint32_t i = ready_.first_in(d); i != kNoIndex; i = ready_.first_in(d))
        ready_.remove(i);
    ports_.erase(table_, d);
    if (d.stamps != 0) stamps_.forget(id);
    const Descriptor* const reporter =
        d.reported_epoll == kNoIndex ? nullptr : table_.find(static_cast<int>(d.reported_epoll));
    const bool in_array = reporter != nullptr && reporter != &d &&
                          reporter->kind == DescriptorKind::epoll &&
                          reporter->epoll->wait_number == d.reported_wait;
    table_.retire(id);
    if (in_array) {
        d.next_free = reporter->epoll->quarantine;
        reporter->epoll->quarantine = id;
    } else {
        table_.recycle(id);
    }
}

void Application::expect(std::uint32_t id) {
    if (id < table_.touched()) prefetch_for_write(&table_.at(id));
    std::swap(expected_[next_expected_], id);
    next_expected_ = (next_expected_ + 1) % kExpected;
    if (id >= table_.touched()) return;  // kNoIndex, too
    const Descriptor& earlier = table_.at(id);
    if (earlier.kind != DescriptorKind::stream || earlier.connection == kNoIndex) return;
    prefetch_for_write(&stream(earlier));
}

void Application::attach(std::uint32_t index, const Descriptor* d) {
    view_.streams[index].owner = d == nullptr ? 0 : table_.id_of(*d) + 1;
}

std::uint32_t Application::take_listener_id(const Descriptor& d) {
    for (std::uint32_t id = 0; id < listeners_.size(); ++id) {
        if (listeners_[id] != kNoIndex) continue;
        listeners_[id] = table_.id_of(d);
        return id;
    }
    if (listeners_.size() >= kListenersMax) return kNoIndex;
    listeners_.push_back(table_.id_of(d));
    return static_cast<std::uint32_t>(listeners_.size() - 1);
}

void Application::give_back_listener_id(std::uint32_t id) { listeners_[id] = kNoIndex; }

// --- to the stack
// ---------------------------------------------------------------------------------

void Application::post(const Request& request) {
    while (!view_.channel->requests.push(request))
        run_stack();
}

void Application::post_open(std::uint32_t index, const OpenParameters& parameters) {
    while (!view_.channel->open_parameters.push(parameters))
        run_stack();
    post({.kind = RequestKind::open, .index = index});
}

void Application::post_settings(std::uint32_t index, const tcp::Settings& settings,
                                tcp::HeldBytes held) {
    while (!view_.channel->settings.push(settings))
        run_stack();
    const std::uint64_t leave = held == tcp::HeldBytes::leave ? 1 : 0;
    post({.kind = RequestKind::settings, .index = index, .value = leave});
}

void Application::post_inherited(Listener& listener, const tcp::Settings& settings) {
    while (!view_.channel->settings.push(settings))
        run_stack();
    post({.kind = RequestKind::inherit, .value = reinterpret_cast<std::uint64_t>(&listener)});
}

void Application::give_chunk(ChunkRef ref) {
    while (!cache_.give(ref))
        run_stack();
}

std::uint32_t Application::take_connection() {
    std::uint32_t index = kNoIndex;
    if (view_.channel->granted_connections.pop(index)) return index;
    run_stack();
    return view_.channel->granted_connections.pop(index) ? index : kNoIndex;
}

// --- time and progress
// ----------------------------------------------------------------------------

void Application::run_stack() {
    view_.driver->run_stack();
    stack_ran_ = view_.driver->last_run();
    drain_events();
    if (epoll_fd_ >= 0) signal_event_descriptor();  // the driver arms its own when it is waited on
}

bool Application::run_stack_for_retry() {
    if (view_.driver->now() - stack_ran_ < kRetryInterval) return false;
    run_stack();
    return true;
}

Driver::Wake Application::wait(Instant deadline) {
    if (!starved_.empty()) deadline = earlier(deadline, now() + kStarvedInterval);
    const Driver::Wake wake = view_.driver->wait(deadline);
    stack_ran_ = view_.driver->last_run();
    return wake;
}

void Application::drain_events(EventArray* array) {
    std::array<std::uint32_t, kEventBatch> batch;
    for (;;) {
        const std::size_t count = view_.channel->events.pop_burst(batch);
        prefetch_for_events({batch.data(), count});
        for (std::size_t i = 0; i < count; ++i) {
            if ((batch[i] & kListenerEvent) != 0) {
                on_listener_event(batch[i] & ~kListenerEvent);
            } else {
                on_stream_event(batch[i], array);
            }
        }
        if (count < batch.size()) break;
    }
    if (!starved_.empty()) feed_starved();
}

// What the events of a burst touch: the stack has just written the streams; the descriptors, with
// who watches them, lie where nobody has been for long.
void Application::prefetch_for_events(std::span<const std::uint32_t> events) {
    for (const std::uint32_t event : events) {
        if ((event & kListenerEvent) != 0) continue;
        const std::uint32_t owner = view_.streams[event].owner;
        if (owner != 0) prefetch_for_write(&table_.at(owner - 1));
    }
}

void Application::on_stream_event(std::uint32_t index, EventArray* array) {
    Stream& stream = view_.streams[index];
    const std::uint32_t events = stream.events.exchange(0, std::memory_order_acq_rel);
    const std::uint32_t owner = stream.owner;
    // Nobody's: in an accept queue. mtcp_accept looks at the stream itself.
    if (events == 0 || owner == 0) return;
    Descriptor& d = table_.at(owner - 1);
    if ((events & (StreamEvents::urgent | StreamEvents::progress)) != 0) [[unlikely]] {
        if ((events & StreamEvents::urgent) != 0 && is_mark_ahead(stream)) d.urgent = 1;
        if ((events & StreamEvents::progress) != 0) take_progress();
    }
    const std::uint32_t bits = epoll_bits(events);
    if (array == nullptr || !hand_out_at_once(*this, *array, d, bits)) raise(d, bits);
}

void Application::take_progress() {
    Progress progress{};
    while (view_.channel->progress.pop(progress)) {
        const std::uint32_t owner = view_.streams[progress.index].owner;
        if (owner == 0) continue;
        Descriptor& d = table_.at(owner - 1);
        if (d.stamps == 0) continue;
        const std::int64_t wall_ns = view_.driver->time_of_day(progress.when);
        if (!stamps_.advance(owner - 1, progress, wall_ns)) continue;
        d.notices = 1;
        raise(d, EpollBits::err);
    }
}

void Application::on_listener_event(std::uint32_t id) {
    if (id >= listeners_.size() || listeners_[id] == kNoIndex) return;
    Descriptor& d = table_.at(listeners_[id]);
    // Cleared before the accept queue is looked at: what comes later posts again.
    d.listener->event_pending.store(0, std::memory_order_seq_cst);
    raise(d, EpollBits::readable);
}

// --- events
// ---------------------------------------------------------------------------------------

void Application::raise(const Descriptor& d, std::uint32_t bits) {
    for (std::uint32_t i = ready_.first_in(d); i != kNoIndex; i = ready_.next(i)) {
        if ((ready_.at(i).events & bits) != 0) ready_.enqueue(i);
    }
    if (epoll_fd_ >= 0 && ready_.ready_total() != 0) signal_event_descriptor();
}

void Application::starve(Descriptor& d) {
    if (d.starved != 0) return;
    d.starved = 1;
    starved_.push_back(table_.id_of(d));
}

void Application::feed_starved() {
    if (!cache_.has_any()) return;
    for (const std::uint32_t id : starved_) {
        Descriptor& d = table_.at(id);
        if (d.kind != DescriptorKind::stream || d.starved == 0) continue;
        d.starved = 0;
        raise(d, EpollBits::writable);
    }
    starved_.clear();
}

int Application::event_descriptor() {
    if (epoll_fd_ >= 0) return epoll_fd_;
    const int stack_fd = view_.driver->event_descriptor();
    if (stack_fd < 0) return -EOPNOTSUPP;
    signal_fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    epoll_fd_ = ::epoll_create1(EPOLL_CLOEXEC);
    epoll_event event{};
    event.events = EPOLLIN;
    if (signal_fd_ < 0 || epoll_fd_ < 0 ||
        ::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, stack_fd, &event) != 0 ||
        ::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, signal_fd_, &event) != 0) {
        const int error = errno;
        if (signal_fd_ >= 0) ::close(signal_fd_);
        if (epoll_fd_ >= 0) ::close(epoll_fd_);
        signal_fd_ = epoll_fd_ = -1;
        return -error;
    }
    signal_event_descriptor();
    return epoll_fd_;
}

void Application::signal_event_descriptor() {
    if (signalled_) return;
    const std::uint64_t one = 1;
    signalled_ = ::write(signal_fd_, &one, sizeof one) == static_cast<ssize_t>(sizeof one);
}

void Application::clear_event_descriptor() {
    if (!signalled_) return;
    std::uint64_t count = 0;
    if (::read(signal_fd_, &count, sizeof count) == static_cast<ssize_t>(sizeof count)) {
        signalled_ = false;
    }
}

void Application::after_wait(long found) {
    if (epoll_fd_ < 0) return;
    // Nothing announces chunks: who waits for them comes back to look.
    if (found > 0 || ready_.ready_total() != 0 || !starved_.empty()) {
        signal_event_descriptor();
    } else {
        clear_event_descriptor();
    }
}

}  // namespace mtcp::socket
