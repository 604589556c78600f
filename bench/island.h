// SPDX-License-Identifier: Apache-2.0
// A context of the C API on a core of our own making: for measurements that no configuration file
// can ask for, such as two cores joined by an in-memory link and run by one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/counters.h"
#include "io/packet_io.h"
#include "mtcp_api.h"
#include "stack/configuration.h"
#include "stack/core.h"
#include "stack/drivers.h"

namespace bench {

struct IslandSetup {
    int number = 0;  // of the context, different for each in the process
    mtcp::io::Queue* queue = nullptr;
    mtcp::io::MacAddress mac;
    std::vector<std::uint32_t> addresses;  // host byte order, all in one /16
    // A static neighbour for each of these: all measurements are of established neighbours.
    std::vector<std::uint32_t> neighbours;
    mtcp::io::MacAddress neighbour_mac;
    mtcp::stack::StackConfiguration configuration;
};

class Island {
  public:
    // nullptr: `problem` says why.
    [[nodiscard]] static std::unique_ptr<Island> make(const IslandSetup& setup,
                                                      std::string& problem);
    ~Island();
    Island(const Island&) = delete;
    Island& operator=(const Island&) = delete;

    [[nodiscard]] mctx_t context() const { return context_; }
    [[nodiscard]] mtcp::stack::Core& core() { return *core_; }
    [[nodiscard]] mtcp::Counters& counters() { return counters_; }

  private:
    Island() = default;

    mtcp::Counters counters_;
    mtcp::stack::Doorbell doorbell_;
    std::unique_ptr<mtcp::stack::Core> core_;
    std::unique_ptr<mtcp::stack::CoreDriver> driver_;
    mctx_t context_ = nullptr;
};

}  // namespace bench
