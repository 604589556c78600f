// SPDX-License-Identifier: Apache-2.0
// One connection of tcp/, alone: segments with any fields near the edges that matter, calls in any
// order, jumps of the clock. After each event the invariants hold, no byte is placed twice, and
// what the application queued is what is sent and acknowledged.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "fuzz/input.h"
#include "tcp/connection.h"
#include "tcp/invariants.h"
#include "tcp/passive_open.h"

namespace mtcp::fuzz {
namespace {

using namespace tcp;
using wire::Flags;
using wire::SequenceNumber;

constexpr std::size_t kPayloadMax = 3000;
constexpr std::byte kPayload[kPayloadMax] = {};

class Run {
  public:
    Run(const std::uint8_t* data, std::size_t size) : in_(data, size) {
        const std::uint8_t how = in_.byte();
        const std::uint32_t pools = (how & 3) == 0 ? 0 : 4;
        MTCP_FUZZ_CHECK(env_.recoveries.reserve(pools) && env_.reassemblies.reserve(pools) &&
                        env_.path_searches.reserve(pools) && env_.controllers.reserve(pools) &&
                        env_.marks.reserve(pools));
        env_.counters = &counters_;
        env_.isn_key = env_.cookie_key = {1, 2};
        using Use = Configuration::Use;
        env_.configuration.timestamps = (how & 4) != 0 ? Use::on : Use::off;
        env_.configuration.header_prediction = (how & 8) != 0 ? Use::on : Use::off;
        const std::uint8_t more = in_.byte();
        env_.configuration.window_shift = more % 15;
        choose_path(more / 15);
        constexpr CongestionAlgorithm kAlgorithms[] = {
            CongestionAlgorithm::cubic, CongestionAlgorithm::bbr, CongestionAlgorithm::dctcp,
            CongestionAlgorithm::new_reno};
        settings_.congestion = kAlgorithms[how >> 6];
        settings_.receive_buffer = 500 + in_.word();
        settings_.keepalive = how >> 4 & 1;
        settings_.keepalive_idle_s = 30;
        settings_.user_timeout_ms = (how & 32) != 0 ? 5000 : 0;
        now_ = Instant{std::int64_t{in_.number()} << 24};
        key_ = {.local = wire::IpAddress::v4(1),
                .remote = wire::IpAddress::v4(2),
                .local_port = 80,
                .remote_port = 4000};
    }
    ~Run() {
        if (made_) release(env_, tcb_);
        MTCP_FUZZ_CHECK(env_.recoveries.used() == 0);
        MTCP_FUZZ_CHECK(env_.reassemblies.used() == 0);
        MTCP_FUZZ_CHECK(env_.path_searches.used() == 0);
        MTCP_FUZZ_CHECK(env_.controllers.used() == 0);
        MTCP_FUZZ_CHECK(env_.marks.used() == 0);
    }

    void run() {
        while (!in_.ended()) {
            if (!alive_) begin();
            if (!alive_) continue;
            step();
        }
    }

  private:
    // What bends a path: marks, pacing, probing.
    void choose_path(std::uint32_t which) {
        using Ecn = Configuration::Ecn;
        using Probing = Configuration::PathProbing;
        env_.configuration.ecn = (which & 1) != 0 ? Ecn::request : Ecn::accept;
        if ((which & 2) != 0) env_.configuration.path_probing = Probing::always;
        if ((which & 4) != 0) settings_.max_pacing_rate = kPacedByWindow;
        if ((which & 8) != 0) settings_.max_pacing_rate = 10'000;
    }

    void begin() {
        queued_ = acked_ = received_ = consumed_ = 0;
        placed_.clear();
        peer_iss_ = {in_.number()};
        std::memset(static_cast<void*>(&tcb_), 0xa5, sizeof tcb_);
        if (in_.coin()) {
            alive_ = made_ = true;
            note(on_open(env_, tcb_, {.key = key_, .settings = settings_}, now_), nullptr);
            drain();
            return;
        }
        wire::Segment syn;
        syn.seq = peer_iss_;
        syn.flags = {Flags::syn};
        if (env_.configuration.ecn == Configuration::Ecn::request)
            syn.flags.bits |= Flags::ece | Flags::cwr;
        syn.window = in_.word();
        syn.options = options();
        const ListenerSettings listener{.settings = settings_};
        const ListenDecision decision =
            on_listen_segment(env_, listener, key_, syn, Backlog::has_room, now_);
        if (decision.verdict != ListenVerdict::record) return;
        promote(env_, listener, decision.half_open, tcb_, now_);
        alive_ = made_ = true;
    }

    wire::Options options() {
        wire::Options options;
        const std::uint8_t which = in_.byte();
        if ((which & 1) != 0) options.mss = in_.word();
        if ((which & 2) != 0) options.window_shift = in_.byte() % 15;
        options.sack_permitted = (which & 4) != 0;
        options.timestamps = (which & 8) != 0;
        if (options.timestamps) {
            const auto clock = static_cast<std::uint32_t>(now_.ns / 1'000'000);
            options.ts_value = (which & 16) != 0 ? in_.number() : clock + in_.byte();
            options.ts_echo = (which & 32) != 0 ? in_.number() : clock + offset() - in_.byte() % 8;
        }
        return options;
    }
    [[nodiscard]] std::uint32_t offset() const { return made_ ? tcb_.ts_offset : 0; }

    // A number at or near one of the edges that matter.
    SequenceNumber near(SequenceNumber edge) {
        switch (in_.below(8)) {
            case 0: return edge + in_.word() % 3000;
            case 1: return edge - in_.word() % 3000;
            case 2: return {in_.number()};
            case 3: return edge + 1;
            case 4: return edge - 1;
            case 5: return edge + tcb_.mss * in_.below(16);
            default: return edge;
        }
    }

    void attack() {
        wire::Segment seg;
        seg.flags = {in_.coin() ? Flags::ack : in_.byte()};
        if (tcb_.state == State::syn_sent) {
            seg.seq = near(peer_iss_);
            if (in_.coin()) seg.flags = {Flags::syn | Flags::ack};
            if (tcb_.ecn.agreed) seg.flags.bits |= Flags::ece;
        } else {
            seg.seq = near(in_.below(4) == 0 ? tcb_.rcv.nxt + tcb_.rcv.wnd : tcb_.rcv.nxt);
        }
        const SequenceNumber acks[] = {tcb_.snd.una, tcb_.snd.nxt, tcb_.snd.end};
        seg.ack = near(acks[in_.below(3)]);
        seg.window = in_.coin() ? in_.word() : 0xffff;
        seg.urgent = seg.flags.has(Flags::urg) ? in_.word() : 0;
        seg.ecn = in_.byte() & 3;
        seg.options = options();
        seg.options.sack_count = in_.below(5) & 0xff;
        for (std::size_t i = 0; i < seg.options.sack_count; ++i)
            seg.options.sack[i] = {near(tcb_.snd.una), near(tcb_.snd.nxt)};
        if (in_.coin()) seg.payload = {kPayload, in_.word() % kPayloadMax};
        note(on_segment(env_, tcb_, seg, now_), &seg);
    }

    void call() {
        switch (in_.below(16)) {
            case 0:
                note(on_shutdown(env_, tcb_, now_, in_.coin() ? Reading::over : Reading::goes_on),
                     nullptr);
                break;
            case 1: note(on_close(env_, tcb_, now_), nullptr); break;
            case 2: note(on_abort(env_, tcb_, now_), nullptr); break;
            case 3: {
                const auto error = static_cast<PathError>(in_.below(9));
                const std::uint16_t mtu = in_.word();
                note(on_path_error(env_, tcb_, error, mtu, near(tcb_.snd.una), now_), nullptr);
                break;
            }
            case 4: {
                const std::uint8_t how = in_.byte();
                settings_.cork = how & 1;
                settings_.no_delay = how >> 1 & 1;
                settings_.quick_ack = how >> 2 & 1;
                settings_.receive_buffer = 500 + in_.word();
                note(on_settings(env_, tcb_, settings_, now_), nullptr);
                break;
            }
            case 5:
            case 6:
            case 7: {
                const auto unread = static_cast<std::uint32_t>(received_ - consumed_);
                const std::uint32_t bytes = std::min<std::uint32_t>(in_.word(), unread);
                consumed_ += bytes;
                note(on_consume(env_, tcb_, bytes, now_), nullptr);
                break;
            }
            case 8: static_cast<void>(status(env_, tcb_, now_)); break;
            case 9: {
                const std::uint32_t bytes = bytes_queued(tcb_);
                if (bytes > 0) mark_record(env_, tcb_, 1 + in_.word() % bytes);
                break;
            }
            default: {
                const std::uint32_t bytes = in_.word() % 5000;
                if (can_send(tcb_)) queued_ += bytes;
                note(on_send(env_, tcb_, bytes, static_cast<SendHint>(in_.below(3)), now_),
                     nullptr);
            }
        }
    }

    void pass() {
        const Instant next = deadline(tcb_);
        const std::uint8_t how = in_.byte();
        if (how < 128 && next != kNever) {
            now_ = later(now_, next);
        } else {
            const Duration jump = microseconds(std::int64_t{in_.word()} << (how & 7));
            now_ = earlier(later(now_, next), now_ + jump);
        }
        if (next <= now_) note(on_deadline(env_, tcb_, now_), nullptr);
    }

    void step() {
        const std::uint32_t what = in_.below(10);
        if (what < 6) {
            attack();
        } else if (what < 8) {
            call();
        } else {
            pass();
        }
        drain();
        if (tcb_.state == State::closed || tcb_.state == State::time_wait) {
            release(env_, tcb_);
            alive_ = made_ = false;
        }
    }

    void drain() {
        wire::OutgoingSegment out;
        int count = 0;
        const OutputBudget budget{.payload_max = in_.below(3) * 10'000};
        while (poll_segment(env_, tcb_, now_, budget, out) != tcp::Polled::nothing) {
            MTCP_FUZZ_CHECK(++count < 5000);
            MTCP_FUZZ_CHECK(acked_ + out.data_offset + out.data_length <= queued_);
            MTCP_FUZZ_CHECK(wire::options_length(out.options) <= 40);
        }
        MTCP_FUZZ_CHECK(pending_work(env_, tcb_, now_) == 0);
        if (const char* broken = check_invariants(env_, tcb_); broken != nullptr) {
            std::fprintf(stderr, "broken: %s in %s\n", broken, state_name(tcb_.state));
            std::abort();
        }
    }

    void note(const Reaction& reaction, const wire::Segment* seg) {
        acked_ += reaction.acked_bytes;
        MTCP_FUZZ_CHECK(acked_ <= queued_);
        MTCP_FUZZ_CHECK(bytes_queued(tcb_) + acked_ == queued_);
        for (std::size_t i = 0; i < reaction.placement_count; ++i) {
            const Placement& p = reaction.placements[i];
            MTCP_FUZZ_CHECK(seg != nullptr && p.length > 0);
            MTCP_FUZZ_CHECK(p.payload_offset + p.length <= seg->payload.size());
            const std::uint64_t begin = received_ + p.stream_offset;
            if (placed_.size() < begin + p.length) placed_.resize(begin + p.length, false);
            for (std::uint32_t k = 0; k < p.length; ++k) {
                MTCP_FUZZ_CHECK(!placed_[begin + k]);
                placed_[begin + k] = true;
            }
        }
        MTCP_FUZZ_CHECK(received_ + reaction.received_bytes <= placed_.size());
        for (std::uint32_t k = 0; k < reaction.received_bytes; ++k)
            MTCP_FUZZ_CHECK(placed_[received_ + k]);
        received_ += reaction.received_bytes;
        MTCP_FUZZ_CHECK((tcb_.state == State::closed) == reaction.has(Events::closed));
        MTCP_FUZZ_CHECK(reaction.drop != Drop::tcp_broken_invariant);
    }

    Input in_;
    Environment env_;
    Counters counters_;
    Settings settings_;
    Tcb tcb_{};
    Instant now_;
    wire::FlowKey key_;
    SequenceNumber peer_iss_;
    bool alive_ = false;
    bool made_ = false;
    std::uint64_t queued_ = 0;
    std::uint64_t acked_ = 0;
    std::uint64_t received_ = 0;
    std::uint64_t consumed_ = 0;
    std::vector<bool> placed_;
};

}  // namespace
}  // namespace mtcp::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    mtcp::fuzz::Run(data, size).run();
    return 0;
}
