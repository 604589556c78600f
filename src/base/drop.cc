// SPDX-License-Identifier: Apache-2.0
// Names and texts of the drop reasons.
#include "base/drop.h"

#include <array>

namespace mtcp {
namespace {

constexpr std::array<const char*, kDropCount> kNames{
#define MTCP_DROP_NAME(name, text) #name,
    MTCP_DROP_LIST(MTCP_DROP_NAME)
#undef MTCP_DROP_NAME
};
constexpr std::array<const char*, kDropCount> kTexts{
#define MTCP_DROP_TEXT(name, text) text,
    MTCP_DROP_LIST(MTCP_DROP_TEXT)
#undef MTCP_DROP_TEXT
};

}  // namespace

const char* drop_name(Drop drop) { return kNames[static_cast<std::size_t>(drop)]; }
const char* drop_text(Drop drop) { return kTexts[static_cast<std::size_t>(drop)]; }

}  // namespace mtcp
