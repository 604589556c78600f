// SPDX-License-Identifier: Apache-2.0
// Packetdrill closes what a script left open with the C library's close(), so every socket needs a
// descriptor of the kernel: an eventfd that nobody reads.
#pragma once

#include <cstdint>
#include <map>

#include "base/index_pool.h"

namespace mtcp::conformance {

class DescriptorMap {
  public:
    DescriptorMap() = default;
    DescriptorMap(const DescriptorMap&) = delete;
    DescriptorMap& operator=(const DescriptorMap&) = delete;

    // A new descriptor for a socket's id; -1 and errno.
    [[nodiscard]] int add(std::uint32_t id);
    void remove(int fd);
    // The id, or kNoIndex.
    [[nodiscard]] std::uint32_t find(int fd) const {
        const auto found = ids_.find(fd);
        return found == ids_.end() ? kNoIndex : found->second;
    }

  private:
    std::map<int, std::uint32_t> ids_;
};

}  // namespace mtcp::conformance
