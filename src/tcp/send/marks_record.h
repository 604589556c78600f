// SPDX-License-Identifier: Apache-2.0
// The marks of one connection (send/record_marks.h). From the core's pool.
#pragma once

#include <array>
#include <cstdint>

#include "wire/sequence_number.h"

namespace mtcp::tcp {

inline constexpr std::uint32_t kMarkListsMax = 256;  // what Tcb::marks can name

struct Marks {
    static constexpr std::size_t kMost = 31;  // further ones are not kept: their writes are joined
    std::uint32_t count;
    std::array<wire::SequenceNumber, kMost> end;  // ascending, all above SND.UNA
};

}  // namespace mtcp::tcp
