// SPDX-License-Identifier: Apache-2.0
#include "stack/listeners.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>

namespace mtcp::stack {
namespace {

const wire::IpAddress kOurs = wire::IpAddress::v4(0x0a000001);
const wire::IpAddress kAny = wire::IpAddress::v4(0);  // as a program's INADDR_ANY arrives
const wire::IpAddress kOther = wire::IpAddress::v4(0x0a000002);

class ListenersTest : public ::testing::Test {
  protected:
    socket::Listener& listen(const wire::Endpoint& where) {
        made.push_back(std::make_unique<socket::Listener>(where, 1, tcp::Settings{}));
        made.back()->id = static_cast<std::uint32_t>(made.size() - 1);
        listeners.add(*made.back());
        return *made.back();
    }

    Listeners listeners;
    std::vector<std::unique_ptr<socket::Listener>> made;
};

TEST_F(ListenersTest, AnAddressGoesBeforeAnyAddress) {
    socket::Listener& any = listen({kAny, 80});
    socket::Listener& ours = listen({kOurs, 80});
    EXPECT_EQ(listeners.find({kOurs, 80}, 7), &ours);
    EXPECT_EQ(listeners.find({kOther, 80}, 7), &any);
    EXPECT_EQ(listeners.find({kOurs, 81}, 7), nullptr);
    listeners.remove(ours);
    EXPECT_EQ(listeners.find({kOurs, 80}, 7), &any);
    listeners.remove(any);
    EXPECT_EQ(listeners.find({kOurs, 80}, 7), nullptr);
    EXPECT_EQ(listeners[ours.id], nullptr);
}

// Ports that are equal in their lower bits do not see each other.
TEST_F(ListenersTest, EveryPortCanBeListenedOn) {
    for (std::uint32_t port = 1; port <= 4096; ++port)
        listen({{}, static_cast<std::uint16_t>(port)});
    for (std::uint32_t port = 1; port <= 4096; ++port) {
        const wire::Endpoint to{kOurs, static_cast<std::uint16_t>(port)};
        ASSERT_EQ(listeners.find(to, port), made[port - 1].get());
    }
    for (const auto& listener : made) {
        if (listener->id % 2 == 0) listeners.remove(*listener);
    }
    for (std::uint32_t port = 1; port <= 4096; ++port) {
        const wire::Endpoint to{kOurs, static_cast<std::uint16_t>(port)};
        ASSERT_EQ(listeners.find(to, port) == nullptr, port % 2 == 1);
    }
}

// SO_REUSEPORT: each takes its share of the flows, and a flow always comes to the same.
TEST_F(ListenersTest, EqualsShareTheFlows) {
    for (int i = 0; i < 3; ++i)
        listen({i == 0 ? wire::IpAddress{} : kAny, 80});
    listen({kAny, 80 + 1024});
    EXPECT_EQ(listeners.count({{}, 80}), 3u);
    EXPECT_EQ(listeners.count({kOurs, 80}), 0u);
    std::map<const socket::Listener*, int> taken;
    for (std::uint32_t hash = 0; hash < 300; ++hash)
        ++taken[listeners.find({kOurs, 80}, hash)];
    ASSERT_EQ(taken.size(), 3u);
    for (int i = 0; i < 3; ++i)
        EXPECT_EQ(taken[made[static_cast<std::size_t>(i)].get()], 100);
    listeners.remove(*made[1]);
    EXPECT_EQ(listeners.find({kOurs, 80}, 1), made[2].get());
}

}  // namespace
}  // namespace mtcp::stack
