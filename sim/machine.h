// SPDX-License-Identifier: Apache-2.0
// A host with its cores, one or several, and what these share. A frame comes in on the queue of a
// core chosen without regard to whose flow it is, as from a device that knows nothing of the stack.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "sim/host.h"
#include "sim/wire.h"
#include "stack/core_mesh.h"

namespace mtcp::sim {

class Machine final : public Receiver {
  public:
    Machine(World& world, Findings& findings, const HostConfig& config, FramePort::Sink sink);

    [[nodiscard]] std::size_t size() const { return cores_.size(); }
    [[nodiscard]] Host& core(std::size_t index) { return *cores_[index]; }
    [[nodiscard]] const std::string& name() const { return cores_[0]->name(); }
    // Power off and on. The programs must be gone before, and the ports are other ones.
    void restart();

    void deliver(std::span<const std::byte> frame) override;

    // One of its devices took less than it was given, since power came on.
    [[nodiscard]] bool has_refused() const;
    // Of all cores together.
    [[nodiscard]] std::uint64_t frames_delivered() const;
    [[nodiscard]] Counters counters() const;  // (levels: those of the first core)
    [[nodiscard]] std::uint64_t flows() const;
    [[nodiscard]] Instant stack_deadline() const;
    [[nodiscard]] Instant due() const;

  private:
    void connect_cores();
    [[nodiscard]] stack::CoreLinks links_of(std::size_t core);

    std::size_t size_;
    io::Layer layer_;
    std::uint64_t seed_;
    stack::CoreMesh mesh_;
    std::vector<std::unique_ptr<Host>> cores_;
};

}  // namespace mtcp::sim
