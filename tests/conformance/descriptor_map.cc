// SPDX-License-Identifier: Apache-2.0
// Making and closing the descriptors that stand for sockets.
#include "tests/conformance/descriptor_map.h"

#include <sys/eventfd.h>
#include <unistd.h>

namespace mtcp::conformance {

int DescriptorMap::add(std::uint32_t id) {
    const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd >= 0) ids_[fd] = id;
    return fd;
}

void DescriptorMap::remove(int fd) {
    if (ids_.erase(fd) != 0) ::close(fd);
}

}  // namespace mtcp::conformance
