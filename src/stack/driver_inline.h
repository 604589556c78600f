// SPDX-License-Identifier: Apache-2.0
// The application's own calls run turns. The base of AssistedDriver too, which adds who may.
#pragma once

#include "stack/drivers.h"

namespace mtcp::stack {

class InlineDriver : public CoreDriver {
  public:
    InlineDriver(Core& core, Doorbell& doorbell) : core_(core), doorbell_(doorbell) {}
    ~InlineDriver() override;

    void run_stack() override {
        last_run_ = monotonic_now();
        static_cast<void>(turn(last_run_));
    }
    void kick() override {
        // Nobody else runs turns: a program that sleeps on the descriptor must come back for one.
        if (epoll_ >= 0) doorbell_.ring_always();
    }
    [[nodiscard]] Instant now() override { return monotonic_now(); }
    [[nodiscard]] Instant last_run() override { return last_run_; }
    Wake wait(Instant deadline) override;
    int event_descriptor() override;

    void stop() override {}
    void abandon() override {}
    void interrupt() override {
        interrupted_.store(true);
        doorbell_.ring_always();
    }
    [[nodiscard]] bool sleeps() const override { return sleeps_.load(); }

  protected:
    TurnResult turn(Instant t);
    // Around a sleep in the kernel within wait().
    virtual void before_sleep() {}
    virtual void after_sleep() {}
    [[nodiscard]] bool has_event_descriptor() const { return epoll_ >= 0; }
    // Makes the event descriptor readable whenever `descriptor` is.
    void watch(int descriptor);

    Core& core_;
    Doorbell& doorbell_;

  private:
    [[nodiscard]] Wake unfinished(Wake wake);
    void arm_descriptor(Instant next);

    std::atomic<bool> interrupted_{false};
    std::atomic<bool> sleeps_{false};
    Instant last_run_ = kLongAgo;  // the application's thread alone looks at it
    int epoll_ = -1;
    int timer_ = -1;
    bool armed_ = false;
};

}  // namespace mtcp::stack
