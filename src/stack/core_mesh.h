// SPDX-License-Identifier: Apache-2.0
// What the cores of one stack share: a ring for each ordered pair of them, and the tables that all
// of them read.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "stack/core.h"
#include "stack/handoff_ring.h"
#include "stack/shared_tables.h"

namespace mtcp::stack {

class CoreMesh {
  public:
    // Again: all is new. `ring_bytes` is a power of two. False: memory was refused.
    [[nodiscard]] bool reserve(std::size_t cores, std::size_t ring_bytes) {
        cores_ = cores;
        shared_.reset();
        rings_.clear();
        rings_.resize(cores * cores);
        if (cores == 1) return true;
        shared_ = std::make_unique<SharedTables>();
        for (std::size_t from = 0; from < cores; ++from) {
            for (std::size_t to = 0; to < cores; ++to) {
                if (from == to) continue;
                auto& ring = rings_[from * cores + to];
                ring = std::make_unique<HandoffRing>();
                if (!ring->reserve(ring_bytes)) return false;
            }
        }
        return true;
    }

    // All but how a doorbell is rung. Valid as long as the mesh, until reserve() is called again.
    [[nodiscard]] CoreLinks links_of(std::size_t core) const {
        CoreLinks links;
        links.self = core;
        links.cores = cores_;
        links.shared = shared_.get();
        for (std::size_t other = 0; other < cores_; ++other) {
            links.to.push_back(rings_[core * cores_ + other].get());
            links.from.push_back(rings_[other * cores_ + core].get());
        }
        return links;
    }

  private:
    std::size_t cores_ = 0;
    std::unique_ptr<SharedTables> shared_;             // nullptr for a single core
    std::vector<std::unique_ptr<HandoffRing>> rings_;  // [from * cores + to]
};

}  // namespace mtcp::stack
