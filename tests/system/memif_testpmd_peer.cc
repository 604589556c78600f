// SPDX-License-Identifier: Apache-2.0
// One end of a memif connection whose other end is dpdk-testpmd: sends frames, checks that each
// comes back as testpmd's forwarding mode returns it, and sleeps in between.
//
//   memif_testpmd_peer ROLE SOCKET RINGS MODE FRAMES      ROLE: master|slave  MODE:
//   io|macswap|icmpecho
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/random.h"
#include "io/memif/memif_device.h"
#include "io/wait.h"

namespace {

using namespace mtcp;
using namespace mtcp::io;

using Bytes = std::vector<std::uint8_t>;

Instant clock_now() {
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return {t.tv_sec * 1'000'000'000 + t.tv_nsec};
}

unsigned internet_checksum(const std::uint8_t* data, std::size_t length) {
    unsigned long sum = 0;
    for (std::size_t i = 0; i + 1 < length; i += 2)
        sum += unsigned{data[i]} << 8 | data[i + 1];
    if (length % 2 != 0) sum += unsigned{data[length - 1]} << 8;
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<unsigned>(~sum & 0xffff);
}

void put16(Bytes& bytes, std::size_t at, unsigned value) {
    bytes[at] = static_cast<std::uint8_t>(value >> 8);
    bytes[at + 1] = static_cast<std::uint8_t>(value);
}

// An ICMP echo request of `number`, of a length and content that follow from it.
Bytes frame_of(std::uint32_t number, const MacAddress& mac) {
    Random random(number + 1);
    const std::size_t payload = 4 + random.below(1400);
    Bytes frame(14 + 20 + 8 + payload);
    const std::uint8_t to[6] = {0x02, 0xff, 0, 0, 0, 1};
    std::memcpy(&frame[0], to, 6);
    std::memcpy(&frame[6], mac.octet, 6);
    put16(frame, 12, 0x0800);
    std::uint8_t* ip = &frame[14];
    ip[0] = 0x45;
    put16(frame, 16, static_cast<unsigned>(frame.size() - 14));
    ip[8] = 64;
    ip[9] = 1;
    const std::uint8_t addresses[8] = {10, 9, 0, 2, 10, 9, 0, 1};
    std::memcpy(ip + 12, addresses, 8);
    put16(frame, 24, internet_checksum(ip, 20));
    frame[34] = 8;
    for (std::size_t i = 42; i < frame.size(); ++i)
        frame[i] = static_cast<std::uint8_t>(random.next());
    std::memcpy(&frame[42], &number, 4);
    put16(frame, 36, internet_checksum(&frame[34], frame.size() - 34));
    return frame;
}

// What testpmd makes of it.
Bytes expected_of(Bytes frame, const std::string& mode) {
    if (mode == "io") return frame;
    for (std::size_t i = 0; i < 6; ++i)
        std::swap(frame[i], frame[6 + i]);
    if (mode == "macswap") return frame;
    for (std::size_t i = 0; i < 4; ++i)
        std::swap(frame[26 + i], frame[30 + i]);
    frame[34] = 0;
    put16(frame, 36, 0);
    put16(frame, 36, internet_checksum(&frame[34], frame.size() - 34));
    return frame;
}

struct Flow {
    std::uint32_t sent = 0;
    std::uint32_t answered = 0;
};

class Exchange {
  public:
    Exchange(MemifDevice& device, std::string mode, std::uint32_t frames)
        : device_(device), mode_(std::move(mode)), per_ring_(frames), flows_(device.queue_count()) {
        for (std::size_t i = 0; i < flows_.size(); ++i)
            device_.queue(i).set_counters(&counters_);
    }

    bool run() {
        std::vector<Queue*> queues;
        for (std::size_t i = 0; i < flows_.size(); ++i)
            queues.push_back(&device_.queue(i));
        const Instant end = clock_now() + seconds(20);
        while (!done()) {
            const Instant now = clock_now();
            if (now > end) return fail("time is up");
            bool worked = false;
            for (std::size_t i = 0; i < flows_.size(); ++i) {
                if (!drain(i, now, worked)) return false;
                if (device_.connected()) fill(i, now, worked);
            }
            if (!worked) {
                wait_until(queues, {}, now, now + milliseconds(50));
                ++slept_;
            }
        }
        std::printf("%u frames each on %zu ring%s came back as %s, slept %u times\n", per_ring_,
                    flows_.size(), flows_.size() == 1 ? "" : "s", mode_.c_str(), slept_);
        return true;
    }

  private:
    static constexpr std::uint32_t kInFlight = 256;

    bool fail(const char* why) {
        std::fprintf(stderr, "%s:", why);
        for (const Flow& flow : flows_)
            std::fprintf(stderr, " %u/%u", flow.answered, flow.sent);
        for (std::size_t i = 0; i < kDropCount; ++i) {
            if (counters_.dropped[i] == 0) continue;
            std::fprintf(stderr, ", %llu %s", static_cast<unsigned long long>(counters_.dropped[i]),
                         drop_name(static_cast<Drop>(i)));
        }
        std::fprintf(stderr, "; %s\n", device_.description().c_str());
        return false;
    }

    bool done() const {
        for (const Flow& flow : flows_) {
            if (flow.answered != per_ring_) return false;
        }
        return true;
    }

    bool drain(std::size_t ring, Instant now, bool& worked) {
        Frame frames[kBurst];
        const std::size_t count = device_.queue(ring).receive(frames, now);
        worked = worked || count != 0;
        for (std::size_t i = 0; i < count; ++i) {
            Flow& flow = flows_[ring];
            const Bytes expected = expected_of(frame_of(flow.answered, device_.mac()), mode_);
            if (frames[i].checksum != Checksum::in_frame) return fail("a stranger was trusted");
            if (frames[i].length != expected.size() ||
                std::memcmp(frames[i].data, expected.data(), expected.size()) != 0) {
                return fail("a frame came back altered or out of order");
            }
            ++flow.answered;
        }
        device_.queue(ring).release({frames, count});
        return true;
    }

    void fill(std::size_t ring, Instant now, bool& worked) {
        Flow& flow = flows_[ring];
        Queue& queue = device_.queue(ring);
        Frame frames[32];
        std::uint32_t wanted =
            std::min(per_ring_ - flow.sent, kInFlight - (flow.sent - flow.answered));
        wanted = std::min(wanted, 32u);
        const std::size_t count = queue.allocate({frames, wanted});
        for (std::size_t i = 0; i < count; ++i) {
            const Bytes bytes = frame_of(flow.sent + static_cast<std::uint32_t>(i), device_.mac());
            std::memcpy(frames[i].data, bytes.data(), bytes.size());
            frames[i].length = static_cast<std::uint32_t>(bytes.size());
        }
        const std::size_t taken = queue.transmit({frames, count}, now);
        flow.sent += static_cast<std::uint32_t>(taken);
        queue.release({frames + taken, count - taken});
        worked = worked || taken != 0;
    }

    MemifDevice& device_;
    std::string mode_;
    std::uint32_t per_ring_;
    std::vector<Flow> flows_;
    Counters counters_;
    std::uint32_t slept_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 6) {
        std::fprintf(stderr, "usage: %s master|slave SOCKET RINGS io|macswap|icmpecho FRAMES\n",
                     argv[0]);
        return 2;
    }
    set_log_level(LogLevel::info);
    MemifConfig config;
    config.role = std::string(argv[1]) == "master" ? MemifRole::master : MemifRole::slave;
    config.socket = argv[2];
    config.rings = static_cast<std::size_t>(std::atoi(argv[3]));
    auto device = MemifDevice::open(config);
    if (!device.ok()) {
        std::fprintf(stderr, "%s\n", device.error().text().c_str());
        return 1;
    }
    Exchange exchange(**device, argv[4], static_cast<std::uint32_t>(std::atoi(argv[5])));
    return exchange.run() ? 0 : 1;
}
