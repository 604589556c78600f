// SPDX-License-Identifier: Apache-2.0
// The thread that listens or connects, shakes hands and notices when the peer ends. It sleeps while
// nothing changes, and no frame ever waits for it.
#pragma once

#include <pthread.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/problem.h"
#include "base/result.h"
#include "io/memif/channel.h"
#include "io/memif/memif_config.h"
#include "io/memif/session_mailbox.h"

namespace mtcp::io::memif {

class Control {
  public:
    // `config` and `mailbox` outlive the control. The master's socket exists when this returns.
    [[nodiscard]] static Result<std::unique_ptr<Control>, Problem> start(const MemifConfig& config,
                                                                         SessionMailbox& mailbox);
    ~Control();  // says good-bye to the peer

  private:
    Control(const MemifConfig& config, SessionMailbox& mailbox)
        : config_(config), mailbox_(mailbox) {}

    static void* run_thread(void* self);
    void run();
    void wait_and_serve();
    void accept_one();
    void try_to_connect();
    void serve(Channel& channel, bool readable);
    void tell_of(const Session& session) const;
    void end_round();
    [[nodiscard]] bool interface_taken_beside(const Channel& channel) const;

    const MemifConfig& config_;
    SessionMailbox& mailbox_;
    FileDescriptor listener_;
    std::string path_to_remove_;
    std::vector<std::unique_ptr<Channel>> channels_;
    const Channel* published_ = nullptr;
    std::atomic<bool> stopping_{false};
    pthread_t thread_{};
    bool running_ = false;
    unsigned rounds_alone_ = 0;  // a slave's, since it last found a master
    std::string refusal_told_;   // why the last channel did not come to be
    // The last accept found no descriptor or no memory: the listener is left alone for a round.
    bool cannot_accept_ = false;
};

}  // namespace mtcp::io::memif
