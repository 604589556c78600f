// SPDX-License-Identifier: Apache-2.0
// Asks the kernel about interfaces of the network namespace in which it was made.
#pragma once

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <string>

namespace mtcp::io {

class ControlSocket {
  public:
    ControlSocket() : descriptor_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {}
    ControlSocket(const ControlSocket&) = delete;
    ControlSocket& operator=(const ControlSocket&) = delete;
    ~ControlSocket() { close(); }
    [[nodiscard]] bool ask(unsigned long request, ifreq& argument) const {
        return ::ioctl(descriptor_, request, &argument) == 0;
    }
    // From now on every answer is no.
    void close() {
        if (descriptor_ >= 0) ::close(descriptor_);
        descriptor_ = -1;
    }

  private:
    int descriptor_;
};

inline ifreq request_for(const std::string& name) {
    ifreq request{};
    std::memcpy(static_cast<char*>(request.ifr_name), name.data(), name.size());
    return request;
}

}  // namespace mtcp::io
