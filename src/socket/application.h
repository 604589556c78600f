// SPDX-License-Identifier: Apache-2.0
// The application side of one core: what all its sockets, epolls and pipes share. Belongs to one
// thread. The operations on each kind of descriptor are functions in files of their own:
// stream_socket.h, listen_socket.h, epoll.h, pipe.h, socket_options.h.
//
// Those functions answer >= 0, or a negative errno.
#pragma once

#include <array>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/index_pool.h"
#include "base/problem.h"
#include "base/result.h"
#include "base/time.h"
#include "socket/channel.h"
#include "socket/chunk_cache.h"
#include "socket/descriptor_table.h"
#include "socket/port_table.h"
#include "socket/ready_list.h"
#include "socket/write_stamps.h"

namespace mtcp::socket {

struct EventArray;

// A call about to answer EAGAIN runs the stack first, but not more often than this.
inline constexpr Duration kRetryInterval = microseconds(20);

enum class Attempts : std::uint8_t { once, until_done };

class Application {
  public:
    struct Limits {
        std::uint32_t descriptors = 10'000;
        std::uint16_t port_first = 10'000;  // what bind() to port 0 chooses from
        std::uint16_t port_last = 65'535;
        std::uint64_t seed = 1;
    };
    [[nodiscard]] static Result<std::unique_ptr<Application>, Problem> create(const CoreView& view,
                                                                              const Limits& limits);
    ~Application();
    Application(const Application&) = delete;
    Application& operator=(const Application&) = delete;

    [[nodiscard]] const CoreView& view() const { return view_; }
    [[nodiscard]] ChunkStore& chunks() { return *view_.chunks; }
    [[nodiscard]] ChunkCache& cache() { return cache_; }
    [[nodiscard]] PortTable& ports() { return ports_; }
    [[nodiscard]] ReadyLists& ready() { return ready_; }
    [[nodiscard]] WriteStamps& stamps() { return stamps_; }

    // --- descriptors ---
    [[nodiscard]] DescriptorTable& table() { return table_; }
    [[nodiscard]] const DescriptorDetails& details(const Descriptor& d) const {
        return table_.details(d);
    }
    [[nodiscard]] DescriptorDetails& own_details(Descriptor& d) { return table_.own_details(d); }
    [[nodiscard]] Stream& stream(const Descriptor& d) { return view_.streams[d.connection]; }
    [[nodiscard]] wire::FlowKey key(const Descriptor& d) {
        return view_.key(view_.core, d.connection);
    }
    // Ends a descriptor: no epoll names it any more, and its id can be used again once no array of
    // events that a program may be working through names it.
    void release(Descriptor& d);
    // The program will use this socket soon. Its record is asked for at once, and what that points
    // to some calls later, when the record has come.
    void expect(std::uint32_t id);
    // Connection `index` reports its events to `d` from now on; nullptr: to nobody.
    void attach(std::uint32_t index, const Descriptor* d);
    // Listeners by their id; kNoIndex when none is left.
    [[nodiscard]] std::uint32_t take_listener_id(const Descriptor& d);
    void give_back_listener_id(std::uint32_t id);

    // --- to the stack ---
    // Puts a request into its ring, running the stack when the ring is full. kick() follows.
    void post(const Request& request);
    void post_open(std::uint32_t index, const OpenParameters& parameters);
    void post_settings(std::uint32_t index, const tcp::Settings& settings,
                       tcp::HeldBytes held = tcp::HeldBytes::stay);
    // For the SYN-ACKs and connections of a listener from now on.
    void post_inherited(Listener& listener, const tcp::Settings& settings);
    void kick() {
        view_.driver->kick();
        if (epoll_fd_ >= 0) signal_event_descriptor();
    }
    void give_chunk(ChunkRef ref);
    // An index for a new connection, or kNoIndex.
    [[nodiscard]] std::uint32_t take_connection();

    // --- time and progress ---
    [[nodiscard]] Instant now() { return view_.driver->now(); }
    // One whole turn of the stack; then takes the events it posted.
    void run_stack();
    // As run_stack(), but false and nothing done when that was less than kRetryInterval ago.
    [[nodiscard]] bool run_stack_for_retry();
    void drain_events() { drain_events(nullptr); }
    // Those that `array` takes (epoll.h) stand in it then, and on no ready list.
    void drain_events(EventArray* array);
    // Of all connections: what SO_TIMESTAMPING tells of.
    void take_progress();
    // Sleeps until there may be something new. Drain, attempt, then wait: in this order.
    [[nodiscard]] Driver::Wake wait(Instant deadline);
    // Sleeps and looks in turn, until `look` answers other than -EAGAIN, `deadline` has passed
    // (-EAGAIN), or a signal came (-EINTR). Sleeps at least once, be it for no time.
    template <typename Look>
    [[nodiscard]] long wait_for(Instant deadline, Look&& look, EventArray* array = nullptr) {
        while (true) {
            const Driver::Wake wake = wait(deadline);
            drain_events(array);
            const long result = look();
            if (result != -EAGAIN) return result;
            if (wake == Driver::Wake::interrupted) return -EINTR;
            if (stack_ran_ >= deadline) return -EAGAIN;
        }
    }
    // Calls `one` until it answers other than -EAGAIN. For Attempts::once, twice at most, with a
    // turn of the stack in between; else until `deadline` or an interruption, as wait_for().
    template <typename Attempt>
    [[nodiscard]] long attempt(Attempts attempts, Instant deadline, Attempt&& one) {
        long result = one();
        if (result != -EAGAIN) return result;
        if (run_stack_for_retry()) result = one();
        if (attempts == Attempts::once || result != -EAGAIN) return result;
        return wait_for(deadline, one);
    }

    // --- events ---
    // Something named by these epoll bits may have changed about `d`: epolls look at it next time.
    void raise(const Descriptor& d, std::uint32_t bits);
    // `d` found room to write but no chunk; OUT is raised when there are chunks again.
    void starve(Descriptor& d);
    // There was none when somebody looked last.
    [[nodiscard]] bool is_starving() const { return !starved_.empty(); }
    // A kernel descriptor that is readable when a wait would find something, or when one is needed
    // to let the stack run.
    [[nodiscard]] int event_descriptor();
    // The end of a wait that handed out `found` entries: only one that slept and found nothing
    // makes the descriptor quiet.
    void after_wait(long found);
    [[nodiscard]] std::uint32_t next_wait_number() { return wait_number_ += 2; }  // never 0

    // Addresses that active opens take in turn (mtcp_init_rss).
    struct SourceRange {
        std::uint32_t first = 0;  // host order
        std::uint32_t count = 0;
        std::uint32_t next = 0;
    };
    [[nodiscard]] SourceRange& sources() { return sources_; }

  private:
    explicit Application(const CoreView& view);
    [[nodiscard]] Result<Done, Problem> reserve(const Limits& limits);
    void prefetch_for_events(std::span<const std::uint32_t> events);
    void on_stream_event(std::uint32_t index, EventArray* array);
    void on_listener_event(std::uint32_t id);
    void feed_starved();
    void signal_event_descriptor();
    void clear_event_descriptor();

    CoreView view_;
    DescriptorTable table_;
    ChunkCache cache_;
    PortTable ports_;
    ReadyLists ready_;
    WriteStamps stamps_;
    std::vector<std::uint32_t> listeners_;  // listener id -> descriptor id; kNoIndex: free
    std::vector<std::uint32_t> starved_;
    SourceRange sources_;
    static constexpr std::size_t kExpected = 4;
    std::array<std::uint32_t, kExpected> expected_;  // ids of the last calls of expect(), in turn
    std::size_t next_expected_ = 0;
    Instant stack_ran_ = kLongAgo;
    std::uint32_t wait_number_ = 1;
    int epoll_fd_ = -1;  // joins the driver's descriptor and ours
    int signal_fd_ = -1;
    bool signalled_ = false;
};

}  // namespace mtcp::socket
