// SPDX-License-Identifier: Apache-2.0
// What passed on the wire, for people: as text in the manner of a ladder, as pcapng for other
// tools, and as one number by which two runs can be compared.
#pragma once

#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <utility>

#include "sim/wire.h"
#include "wire/sequence_number.h"

namespace mtcp::sim {

// FNV-1a over everything sent: times, directions and bytes.
class TraceHash final : public Observer {
  public:
    void on_sent(Side from, std::span<const std::byte> frame, Instant now) override;
    void on_delivered(Side, std::span<const std::byte>, bool, Instant) override {}
    [[nodiscard]] std::uint64_t value() const { return hash_; }

  private:
    void add(std::uint8_t byte) { hash_ = (hash_ ^ byte) * 0x100000001b3u; }
    std::uint64_t hash_ = 0xcbf29ce484222325u;
};

class TextTrace final : public Observer {
  public:
    TextTrace(std::FILE* out, io::Layer layer) : out_(out), layer_(layer) {}
    void on_sent(Side from, std::span<const std::byte> frame, Instant now) override;
    void on_delivered(Side from, std::span<const std::byte> frame, bool intact,
                      Instant now) override;

  private:
    [[nodiscard]] std::string describe(std::span<const std::byte> frame);
    std::FILE* out_;
    io::Layer layer_;
    std::map<std::pair<std::uint64_t, std::uint32_t>, wire::SequenceNumber> iss_;
};

// pcapng with nanosecond stamps; what is sent, by either host.
class PcapTrace final : public Observer {
  public:
    PcapTrace(std::FILE* out, io::Layer layer);
    void on_sent(Side from, std::span<const std::byte> frame, Instant now) override;
    void on_delivered(Side, std::span<const std::byte>, bool, Instant) override {}

  private:
    std::FILE* out_;
};

}  // namespace mtcp::sim
