// SPDX-License-Identifier: Apache-2.0
// One core: everything it owns, and what it does in a turn. Nothing here is shared with another
// core but the rings between them and two read-mostly tables (shared_tables.h). Exactly one thread
// at a time runs it; which one is the driver's business (drivers.h).
//
// Reading order: turn.cc, receive.cc, passive.cc, reactions.cc, requests.cc, transmit.cc.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/cache_line.h"
#include "base/counters.h"
#include "base/index_pool.h"
#include "base/problem.h"
#include "base/random.h"
#include "base/result.h"
#include "base/spsc_ring.h"
#include "base/time.h"
#include "io/loopback/loopback_queue.h"
#include "io/packet_io.h"
#include "net/network.h"
#include "socket/channel.h"
#include "socket/send_buffer.h"
#include "stack/configuration.h"
#include "stack/flow_table.h"
#include "stack/handoff_ring.h"
#include "stack/listeners.h"
#include "stack/records.h"
#include "stack/shared_tables.h"
#include "stack/timer_wheel.h"
#include "tcp/connection.h"
#include "tcp/passive_open.h"
#include "tcp/time_wait.h"

namespace mtcp::stack {

// What connects a core to its neighbours in the process. Filled by Stack; empty for a lone core.
struct CoreLinks {
    std::size_t self = 0;
    std::size_t cores = 1;
    SharedTables* shared = nullptr;  // nullptr when cores == 1
    std::vector<HandoffRing*> to;    // [core]; nullptr for self
    std::vector<HandoffRing*> from;  // [core]; nullptr for self
    void (*ring_doorbell)(void* context, std::size_t core) = nullptr;
    void* context = nullptr;
};

struct CoreSetup {
    StackConfiguration configuration;
    // One entry a queue, in the order of `queues`; the loopback interface is appended by create().
    net::NetworkConfiguration network;
    std::vector<io::Queue*> queues;
    std::vector<net::Prefix> loopback_addresses;  // own addresses on no wire
    CoreLinks links;
    std::uint64_t seed = 0;        // of all randomness in the core
    Counters* counters = nullptr;  // nullptr: the core keeps its own
    Instant now;
};

struct TurnResult {
    bool did_work = false;
    bool posted_events = false;      // the application has something to fetch
    Instant next_deadline = kNever;  // when to come back though nothing arrives; past: at once
};

// Out-of-order chunks that a connection may hold: a peer of full segments can use the window it was
// offered, one of tiny segments cannot make them many more than that (a segment that needs more is
// dropped unacknowledged). The most bounds what one segment in between costs to find its place.
inline constexpr std::uint32_t kStagedChunksLeast = 1024;
inline constexpr std::uint32_t kStagedChunksMost = 4096;
[[nodiscard]] inline std::uint32_t staged_chunks_max(const tcp::Tcb& tcb) {
    return std::clamp(tcp::receive_window(tcb) / 1024, kStagedChunksLeast, kStagedChunksMost);
}
// When to try again after a transmit ring was full or frames had run out.
inline constexpr Duration kBlockedRetry = microseconds(50);
// Where nothing has left for long (net/transmitter.h).
inline constexpr Duration kStallRetry = milliseconds(1);
// The application reports what it has read after this many bytes, at the latest.
inline constexpr std::uint32_t kConsumeStepMax = 1u << 15;
// Segments sent in one turn, and for one connection before the next has its turn. Each may be
// answered by one, and who sends faster than he reads fills the rings both ways, with what nobody
// can keep dropped: it is half as many with each turn in a row that could not take in all that
// waited, down to as many as it took in.
inline constexpr std::uint32_t kSegmentsPerTurn = 512;
// Frames taken from a queue in one turn. What they, their parsed segments and the connections they
// concern take in memory has to fit into the first cache together, until the answers are written:
// of 16, 32 and 64 this one costs the least ticks a connection where the caller runs the turns.
// Where a turn ends with a switch of threads, which costs more than any miss, it is a whole burst.
inline constexpr std::size_t kFramesPerTurn = 32;
static_assert(kFramesPerTurn <= io::kBurst);
inline constexpr std::uint32_t kSegmentsPerConnection = 64;

class Core {
  public:
    // Reserves all memory. Problem: configuration or memory.
    [[nodiscard]] static Result<std::unique_ptr<Core>, Problem> create(CoreSetup setup);
    ~Core();
    Core(const Core&) = delete;
    Core& operator=(const Core&) = delete;

    // One turn: inhale, process, timers, requests, exhale, publish. Reads no clock, never sleeps.
    TurnResult turn(Instant now);

    [[nodiscard]] socket::CoreView view(socket::Driver& driver);
    [[nodiscard]] socket::Channel& channel() { return channel_; }
    [[nodiscard]] std::span<io::Queue* const> queues() const { return queues_; }
    // Another core has put something into a ring of ours.
    [[nodiscard]] bool has_handoffs() const;
    // Requests wait, or something else that a turn would take up at once.
    [[nodiscard]] bool has_requests() const { return !channel_.requests.empty(); }
    [[nodiscard]] Counters& counters() { return *counters_; }

    // The application is gone: what it holds is closed (CloseRequest), listeners are dropped.
    // Connections it had closed before go on to their end: keep calling turn() while
    // closing_connections() has any, then abandon_closing().
    void shut_down(Instant now, std::uint64_t how = socket::CloseRequest::abort);
    struct Closing {
        std::uint32_t all = 0;
        std::uint32_t undelivered = 0;  // of these: the peer has not acknowledged bytes, or the FIN
    };
    [[nodiscard]] Closing closing_connections() const;
    void abandon_closing(Instant now);

    // For tests: connections and listeners born from now on follow this; what sizes memory does
    // not.
    void reconfigure(const tcp::Configuration& configuration);

    // For tests and tools: levels of every pool.
    struct Levels {
        std::uint32_t connections = 0;
        std::uint32_t half_open = 0;
        std::uint32_t time_wait = 0;
        std::uint64_t chunks = 0;  // not in a free list of the stack (grants are counted)
        std::uint64_t flows = 0;
        std::uint32_t recoveries = 0;
        std::uint32_t path_searches = 0;
        std::uint32_t reassemblies = 0;
        friend bool operator==(const Levels&, const Levels&) = default;
    };
    [[nodiscard]] Levels levels() const;

  private:
    // A received segment on its way through the stages of receive.cc.
    struct Arrival {
        wire::Segment segment;
        net::Inbound inbound;
        std::uint32_t hash = 0;
        std::uint32_t hops = 0;
        FlowRef guess;  // a record of this hash, which may have gone since

        [[nodiscard]] const wire::FlowKey& key() const { return inbound.key; }
    };
    // The paper's three priorities. ACKs that arose in this turn are held back for one turn when
    // the application has events to answer: its data then carries them.
    static constexpr std::uint8_t kControl = 1;
    static constexpr std::uint8_t kAck = 2;
    static constexpr std::uint8_t kData = 3;
    static constexpr std::uint8_t kFreshAck = 4;
    static constexpr std::size_t kWorkLists = 5;
    // `listed` of a connection: one of these, or, while it waits for room on its interface,
    // kWorkLists * (1 + interface) more.
    struct WorkList {
        std::uint32_t first = kNoIndex;
        std::uint32_t last = kNoIndex;
        [[nodiscard]] bool empty() const { return first == kNoIndex; }
    };

    explicit Core(CoreSetup setup);
    [[nodiscard]] Result<Done, Problem> reserve();
    void choose_fast_open_keys();

    // Asks for all memory of a connection that a segment, a request or a timer touches: among a
    // million none of it is cached, and one by one each line costs as much as the work itself.
    void prefetch_flow(std::uint32_t index) const {
        prefetch_lines_for_write(&connections_[index], kConnectionWarmBytes);
        prefetch_record(connections_[index].stream);
        wheel_.prefetch_entry(index);
    }

    // Whoever has several before him asks for a group of them while the one before is worked on.
    // Not one by one: what a machine spends most of the time with is finding the pages, and it can
    // look for several at once. Not for all: they would stand in the way of what is needed first.
    template <typename Fetch>
    static void fetch_in_groups(std::size_t at, Fetch&& fetch) {
        constexpr std::size_t kGroup = 8;
        if (at % kGroup != 0) return;
        for (std::size_t i = at == 0 ? 0 : at + kGroup; i < at + 2 * kGroup; ++i)
            fetch(i);
    }

    // receive.cc
    struct Received {
        std::uint32_t frames = 0;
        bool more_wait = false;  // a queue gave as many as it was asked for
        bool worked = false;
    };
    Received receive(Instant now);
    [[nodiscard]] bool catches_up(const Received& received, Instant now);
    void process_burst(std::size_t interface, std::span<io::Frame> frames, Instant now);
    void take_handoffs(Instant now);
    bool stage(Arrival& arrival);
    void prefetch_for(Arrival& arrival) const;
    void deliver(Arrival& arrival, Instant now);
    void deliver_stray(Arrival& arrival, Instant now);
    [[nodiscard]] bool hand_on(const Arrival& arrival);
    [[nodiscard]] bool hand_to_listener(const Arrival& arrival);
    [[nodiscard]] bool hand_off(const Arrival& arrival, std::size_t core, std::uint32_t hops);
    void deliver_to_connection(std::uint32_t index, Arrival& arrival, Instant now);
    void path_error(const net::PathErrorNotice& notice, std::uint32_t hops, Instant now);
    void drain_network_notices(Instant now);
    [[nodiscard]] FlowRef find(const wire::FlowKey& key, std::uint32_t hash) const;
    // find(), sooner: a connection that is in the table under this key is the one that it finds.
    [[nodiscard]] FlowRef find(const Arrival& arrival) const {
        if (arrival.guess.valid() && arrival.guess.kind() == RecordKind::connection) {
            const Connection& guessed = connections_[arrival.guess.index()];
            if (guessed.in_flow_table && guessed.tcb.key == arrival.key()) return arrival.guess;
        }
        return find(arrival.key(), arrival.hash);
    }
    [[nodiscard]] const wire::FlowKey& key_of(FlowRef ref) const;

    // passive.cc
    [[nodiscard]] socket::Listener* find_listener(const Arrival& arrival) const {
        return listeners_.find({arrival.key().local, arrival.key().local_port}, arrival.hash);
    }
    void deliver_to_listener(socket::Listener& listener, Arrival& arrival, Instant now,
                             std::optional<wire::SequenceNumber> sent_before = {});
    void deliver_to_half_open(std::uint32_t index, Arrival& arrival, Instant now);
    void deliver_to_time_wait(std::uint32_t index, Arrival& arrival, Instant now);
    bool keep_half_open(socket::Listener& listener, const tcp::HalfOpen& record,
                        std::uint32_t hash);
    [[nodiscard]] std::uint32_t promote(socket::Listener& listener,
                                        const tcp::ListenerSettings& settings,
                                        const tcp::HalfOpen& record, std::uint32_t hash,
                                        Instant now);
    void promote_cookie(socket::Listener& listener, const tcp::ListenerSettings& settings,
                        const tcp::HalfOpen& record, Arrival& arrival, Instant now);
    void promote_half_open(socket::Listener& listener, const tcp::ListenerSettings& settings,
                           std::uint32_t half_open, Arrival& arrival, Instant now);
    // early_data.cc
    [[nodiscard]] std::uint32_t fast_open_limit(const socket::Listener& listener,
                                                std::uint32_t asked) const;
    [[nodiscard]] tcp::FastOpenQueue fast_open_queue(socket::Listener& listener) const;
    [[nodiscard]] bool open_early(socket::Listener& listener, const tcp::ListenerSettings& settings,
                                  tcp::ListenDecision& decision, Arrival& arrival, Instant now);
    void deliver_to_early(std::uint32_t index, Arrival& arrival, Instant now);
    void leave_early(Connection& connection);
    void answer_fast_open(socket::FastOpenQuery& query, Instant now);
    void drop_half_open(std::uint32_t index);
    void give_back_half_open(std::uint32_t index);
    void queue_half_open(std::uint32_t index);
    void queue_half_open_again(std::uint32_t index);
    void drop_time_wait(std::uint32_t index);
    void recycle_time_wait();
    void enter_time_wait(std::uint32_t index, Instant now);
    void reset_stray(const Arrival& arrival, Instant now);
    void refuse_overflow(std::uint32_t index, const Arrival& arrival, Instant now);
    void passive_timers(Instant now);
    [[nodiscard]] Instant passive_deadline() const;
    [[nodiscard]] tcp::ListenerSettings listener_settings(socket::Listener& listener,
                                                          const wire::IpAddress& remote) const;
    void reply(const wire::FlowKey& key, const wire::OutgoingSegment& segment,
               const tcp::Settings& settings, Instant now);

    // reactions.cc
    void react(std::uint32_t index, const tcp::Reaction& reaction, const wire::Segment* segment,
               Instant now);
    void store_received(std::uint32_t index, const tcp::Reaction& reaction,
                        const wire::Segment& segment);
    void append_to_box(socket::Stream& stream, std::span<const std::byte> bytes);
    void stage_out_of_order(Connection& connection, std::uint32_t position,
                            std::span<const std::byte> bytes);
    void release_staged(Connection& connection, socket::Stream& stream, std::uint32_t edge);
    [[nodiscard]] bool may_use_the_reserve(const Connection& connection,
                                           const wire::Segment& segment) const;
    [[nodiscard]] bool can_store(const Connection& connection, const wire::Segment& segment) const;
    [[nodiscard]] bool has_chunks_for(std::size_t bytes) const;
    void free_acknowledged(std::uint32_t index, std::uint32_t bytes);
    void drop_front(Connection& connection, std::uint32_t bytes);
    void wake_writer(std::uint32_t index);
    void limit_by_buffer(std::uint32_t index);
    void end_limit_by_buffer(std::uint32_t index);
    void tell_status(std::uint32_t index, tcp::Status& to) const;
    // True: the limit is larger now.
    bool grow_send_buffer(const Connection& connection, socket::Stream& stream);
    void carry_out(std::uint32_t index, const tcp::Reaction& reaction, Instant now);
    void make_connection(std::uint32_t index, const tcp::Settings& settings);
    void apply_buffers(std::uint32_t index, const tcp::Settings& settings);
    void count_pieces(std::uint32_t index, const tcp::Settings& settings);
    void enter_flow_table(std::uint32_t index);
    bool note_if_misplaced(std::uint32_t index);
    void forget_if_misplaced(const wire::FlowKey& key);
    void post(std::uint32_t index, std::uint16_t event_bits);
    void post_listener(socket::Listener& listener);
    void announce(std::uint32_t entry);
    void publish();
    void give_to_accept_queue(std::uint32_t index, Instant now);
    void end_connection(std::uint32_t index);
    void release_if_unused(std::uint32_t index);
    void fail_open(std::uint32_t index, int error);
    // Pushing a deadline further away is a store; so is dropping it.
    void update_timer(std::uint32_t index) {
        Connection& connection = connections_[index];
        if (connection.tcb.armed == 0) {
            wheel_.clear(index);
            return;
        }
        const std::uint32_t at_ms = tcp::earliest_ms(connection.tcb);
        connection.wheel_ms = wheel_.update(index, at_ms, connection.wheel_ms, now_);
    }
    void schedule(std::uint32_t index, std::uint8_t work);
    // Whoever is visited for its work is looked after then.
    void go_on(std::uint32_t index, std::uint8_t work) {
        if (work != 0) {
            schedule(index, work);
        } else {
            update_timer(index);
        }
    }

    // requests.cc
    bool take_requests(Instant now);
    void take(const socket::Request& request, Instant now);
    void take_record(const socket::Request& request, Instant now);
    void take_shutdown(const socket::Request& request, Instant now);
    void take_settings(const socket::Request& request, Instant now);
    void open(std::uint32_t index, Instant now);
    void take_send_box(std::uint32_t index, tcp::SendHint hint, Instant now);
    // Takes note of what the application has read since.
    void sync_consumed(std::uint32_t index, Instant now) {
        const std::uint32_t consumed =
            connections_[index].stream.consumed.load(std::memory_order_acquire);
        if (consumed != connections_[index].consumed_seen) take_consumed(index, consumed, now);
    }
    void take_consumed(std::uint32_t index, std::uint32_t consumed, Instant now);
    void close(std::uint32_t index, std::uint64_t how, Instant now);
    void listen(socket::Listener& listener);
    void change(const socket::ListenerOptions& options);
    void unlisten(socket::Listener& listener, Instant now);
    void refill_grants();
    [[nodiscard]] std::uint64_t secret_port_step(const wire::FlowKey& key) const;
    [[nodiscard]] std::uint16_t port_at(std::uint64_t step) const;
    void prefetch_port(std::uint32_t ahead);
    // Both tell the tuple's flow_hash().
    [[nodiscard]] bool pick_port(wire::FlowKey& key, std::uint32_t& hash, Instant now);
    [[nodiscard]] bool claim(const wire::FlowKey& key, std::uint32_t& hash, Instant now);

    // transmit.cc
    bool transmit(Instant now, std::uint32_t budget);
    [[nodiscard]] bool data_waits() const;
    bool drain(std::uint8_t which, Instant now, std::uint32_t& budget);
    bool drain(WorkList& list, std::uint8_t which, Instant now, std::uint32_t& budget);
    void see_consumed(Connection& connection, Instant now);
    void tell_sent(std::uint32_t index);
    void say_sent(std::uint32_t index);
    void tell_progress(std::uint32_t index, std::uint32_t sent, std::uint32_t acknowledged);
    // Whether what finds no room can be kept; else it takes from the reserve for answers.
    enum class Later : std::uint8_t { possible, never };
    [[nodiscard]] bool send_from(std::uint32_t index, Instant now, std::uint32_t& budget,
                                 Later how_late = Later::possible);
    void send_last(std::uint32_t index, Instant now);
    void note_refusal(std::size_t interface, Instant now);
    [[nodiscard]] static constexpr std::uint64_t bit_of(std::size_t interface) {
        return std::uint64_t{1} << (interface & 63u);
    }
    [[nodiscard]] bool is_blocked(std::size_t interface) const {
        return (blocked_interfaces_ & bit_of(interface)) != 0;
    }
    [[nodiscard]] bool is_stalled(std::size_t interface) const {
        return (stalled_interfaces_ & bit_of(interface)) != 0;
    }
    [[nodiscard]] bool lose_from(std::uint32_t index, Drop reason, Instant now);
    [[nodiscard]] tcp::OutputBudget output_budget(const Connection& connection,
                                                  const io::Frame& frame) const;
    void emit(Connection& connection, io::Frame& frame, const wire::OutgoingSegment& segment,
              Instant now);
    void copy_from_send_queue(Connection& connection, std::uint32_t offset,
                              std::span<std::byte> out);
    void put_on(std::uint8_t which, std::uint32_t index);
    void wait_for_room(std::uint8_t which, std::uint32_t index);
    [[nodiscard]] WorkList& list_of(std::uint8_t listed) {
        return listed < kWorkLists ? work_[listed] : refused_[listed - kWorkLists];
    }
    void put_last(WorkList& list, std::uint8_t listed, std::uint32_t index);
    void put_first(WorkList& list, std::uint8_t listed, std::uint32_t index);
    void take_off(std::uint32_t index);
    void take_first(WorkList& list);
    void promote_fresh_acks();

    void timers(Instant now);
    [[nodiscard]] std::uint32_t segments_to_send(const Received& received);
    [[nodiscard]] bool ensure_path(Connection& connection);
    [[nodiscard]] bool find_path(const wire::FlowKey& key, net::Path& path);

    StackConfiguration configuration_;
    CoreLinks links_;
    Counters own_counters_;
    Counters* counters_;
    Random random_;
    tcp::Environment tcp_;
    SecretKey flow_secret_;
    SecretKey port_secret_;
    SecretKey destination_secret_;
    std::uint64_t ports_picked_ = 0;
    std::uint64_t opens_taken_ = 0;
    struct PortStart {
        wire::FlowKey flow{};  // without a local port; to port 0, where nobody connects to: not set
        std::uint64_t step = 0;
    };
    std::array<PortStart, 32> port_starts_;  // of the last opens looked ahead at, in turn

    std::vector<io::Queue*> queues_;  // the last one is the loopback
    std::unique_ptr<io::LoopbackQueue> loopback_;
    net::NetworkConfiguration network_configuration_;
    std::vector<net::Prefix> loopback_addresses_;
    std::unique_ptr<net::Network> network_;

    socket::Channel channel_;
    socket::ChunkStore chunks_;

    FlowTable flows_;
    IndexPool<Connection> connections_;
    IndexPool<HalfOpenRecord> half_open_;
    IndexPool<TimeWaitRecord> time_wait_;
    TimerWheel wheel_;
    std::array<RecordList, kSynAckTriesMax + 1>
        half_open_by_try_;        // each list is in deadline order
    RecordList time_wait_order_;  // oldest first
    Instant cookies_until_;       // until then a cookie that was sent may come back

    Listeners listeners_;
    // Connections that had their turn while their interface had no room, by interface and by the
    // list that they were on: served before work_, or who comes first after each full ring would be
    // the only one served.
    std::vector<WorkList> refused_;
    bool somebody_refused_ = false;          // may be there; false: surely not
    std::array<WorkList, kWorkLists> work_;  // by kControl ...; [0] is not used
    // Events that found the ring full, by stream or listener, oldest first: a ring within a thread,
    // of which unused room costs no memory.
    SpscRing<std::uint32_t> unposted_{2};
    bool posted_ = false;
    bool transmit_blocked_ = false;         // some interface took less than there was to send
    bool data_first_ = false;               // in this turn
    std::uint64_t blocked_interfaces_ = 0;  // bit i: interface i has no frame left in this turn
    std::uint64_t stalled_interfaces_ = 0;  // ...and has had none for long
    std::uint64_t chunk_bytes_total_ = 0;
    bool only_reserve_left_ = false;       // as the turn began; see can_store()
    std::uint32_t connection_grants_ = 0;  // indices granted and not yet opened
    std::uint32_t connection_grant_target_ = 0;
    Instant now_;  // of the turn in progress

    wire::OutgoingSegment outgoing_;  // of send_from(); kept, so that it is not made anew each time
    std::size_t frames_per_turn_;
    Instant last_turn_;
    Instant catch_up_until_ = kLongAgo;  // after a pause
    bool catches_up_ = false;            // the last turn did: no timer fired
    std::uint32_t turns_behind_ = 0;     // in a row that left frames to be received
    std::array<io::Frame, io::kBurst> frames_;
    std::array<Arrival, io::kBurst> arrivals_;
};

}  // namespace mtcp::stack
