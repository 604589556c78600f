// SPDX-License-Identifier: Apache-2.0
// Packetdrill scripts inside unit tests: EXPECT_LADDER(R"( ... )").
#pragma once

#include <gtest/gtest.h>

#include "tests/ladder/interpreter.h"

#define EXPECT_LADDER(text)                                                             \
    do {                                                                                \
        const ::mtcp::ladder::Outcome outcome_ = ::mtcp::ladder::run_ladder(text, "."); \
        EXPECT_TRUE(outcome_.passed) << outcome_.report;                                \
    } while (false)
