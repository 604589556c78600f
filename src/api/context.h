// SPDX-License-Identifier: Apache-2.0
// What stands behind a mctx_t, and the check that every call makes on its way in.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/counters.h"
#include "mtcp_api.h"
#include "socket/application.h"

namespace mtcp::api {

enum class ContextState : std::uint8_t {
    vacant,  // no application has this core
    alive,
    ended,  // by a second ^C: every call answers EPERM, mtcp_destroy_context() is still to come
    stopping,
};

}  // namespace mtcp::api

struct mtcp_context {
    int cpu = 0;
    std::atomic<mtcp::api::ContextState> state{mtcp::api::ContextState::vacant};
    // A context belongs to the first thread that uses it, known by the address of a variable of its
    // own.
    std::atomic<const void*> owner{nullptr};
    std::atomic<std::uint8_t> inside{0};  // a call is under way
    std::unique_ptr<mtcp::socket::Application> application;
    mtcp::Counters* counters = nullptr;
};

namespace mtcp::api {

// Contexts never move and are never freed, so a stale mctx_t is recognised, not followed. They lie
// in one array, from here on; nullptr before the first call that makes it.
extern const mtcp_context* first_context;
inline constexpr std::size_t kContexts = 64;
[[nodiscard]] inline bool is_context(const mtcp_context* context) {
    const auto from_first =
        reinterpret_cast<std::uintptr_t>(context) - reinterpret_cast<std::uintptr_t>(first_context);
    return first_context != nullptr && from_first < kContexts * sizeof(mtcp_context);
}
// A thread is known by the address of its own of these.
extern constinit __attribute__((tls_model("initial-exec"))) thread_local char thread_mark;
[[nodiscard]] inline const void* this_thread() { return &thread_mark; }
// The slow part of entering: claims the context for this thread, or counts and refuses.
[[nodiscard]] bool claim(mtcp_context& context);
// The errno of a call on a context that has ended.
[[nodiscard]] int error_of_ended();

// One call into a context: bool says whether it may go on; if not, errno is set.
class Call {
  public:
    explicit Call(mtcp_context* context) {
        if (!is_context(context)) {
            errno = EINVAL;
            return;
        }
        if (context->state.load(std::memory_order_acquire) != ContextState::alive) [[unlikely]] {
            errno = error_of_ended();
            return;
        }
        if (context->owner.load(std::memory_order_relaxed) != this_thread() && !claim(*context)) {
            errno = EPERM;
            return;
        }
        // Said before the last look: who ends the context changes the state, and a millisecond
        // later looks for this. A fence would be dearer than most calls.
        context->inside.store(1, std::memory_order_relaxed);
        std::atomic_signal_fence(std::memory_order_seq_cst);
        if (context->state.load(std::memory_order_acquire) != ContextState::alive) [[unlikely]] {
            context->inside.store(0, std::memory_order_release);
            errno = error_of_ended();
            return;
        }
        context_ = context;
    }
    ~Call() {
        if (context_ != nullptr) context_->inside.store(0, std::memory_order_release);
    }
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    [[nodiscard]] explicit operator bool() const { return context_ != nullptr; }
    [[nodiscard]] socket::Application& app() const { return *context_->application; }

  protected:
    mtcp_context* context_ = nullptr;
};

// A call on an open id.
class SocketCall : public Call {
  public:
    SocketCall(mtcp_context* context, int id) : Call(context) {
        if (context_ == nullptr) return;
        descriptor_ = app().table().find(id);
        if (descriptor_ == nullptr) errno = EBADF;
    }
    [[nodiscard]] explicit operator bool() const { return descriptor_ != nullptr; }
    [[nodiscard]] socket::Descriptor& descriptor() const { return *descriptor_; }

  private:
    socket::Descriptor* descriptor_ = nullptr;
};

// From the convention of socket/ (negative errno) to the convention of C.
[[nodiscard]] inline long answer(long result) {
    if (result >= 0) return result;
    errno = static_cast<int>(-result);
    return -1;
}
[[nodiscard]] inline int refuse(int error) {
    errno = error;
    return -1;
}

}  // namespace mtcp::api
