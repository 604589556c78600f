// SPDX-License-Identifier: Apache-2.0
// The one instance in a process: the engine and the calls on it.
#pragma once

#include "tests/conformance/calls.h"
#include "tests/conformance/engine.h"

namespace mtcp::conformance {

struct Adapter {
    explicit Adapter(const Addresses& addresses) : engine(addresses), calls(engine) {}
    Engine engine;
    Calls calls;
};

[[nodiscard]] Adapter* make_adapter(const Addresses& addresses);
void retire(Adapter* adapter);
// The last one made and not retired, or nullptr.
[[nodiscard]] Adapter* current_adapter();

}  // namespace mtcp::conformance
