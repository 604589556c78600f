// SPDX-License-Identifier: Apache-2.0
#include "tcp/send/record_marks.h"

#include <algorithm>

namespace mtcp::tcp {

using wire::SequenceNumber;

void mark_record(Environment& env, Tcb& tcb, std::uint32_t ahead) {
    if (ahead == 0 || ahead > bytes_queued(tcb)) return;  // it is acknowledged already
    if (!tcb.flags.records) {
        const std::uint32_t index = env.marks.take();
        if (index == kNoIndex) return;
        tcb.marks = static_cast<std::uint8_t>(index);
        tcb.flags.records = true;
        env.marks[index].count = 0;
    }
    const SequenceNumber seq = tcb.snd.una + (syn_is_unacked(tcb) ? 1u : 0u) + ahead;
    Marks& marks = env.marks[tcb.marks];
    const bool known = marks.count != 0 && seq <= marks.end[marks.count - 1];
    if (!known && marks.count < Marks::kMost) marks.end[marks.count++] = seq;
}

std::uint32_t up_to_mark(const Environment& env, const Tcb& tcb, SequenceNumber from,
                         std::uint32_t bytes) {
    const Marks& marks = env.marks[tcb.marks];
    for (std::uint32_t i = 0; i < marks.count; ++i) {
        if (marks.end[i] > from) return std::min(bytes, marks.end[i] - from);
    }
    return bytes;
}

bool is_mark(const Environment& env, const Tcb& tcb, SequenceNumber seq) {
    if (!tcb.flags.records) return false;
    const Marks& marks = env.marks[tcb.marks];
    const auto* const end = marks.end.data() + marks.count;
    return std::find(marks.end.data(), end, seq) != end;
}

void forget_marks(Environment& env, Tcb& tcb) {
    if (!tcb.flags.records) return;
    Marks& marks = env.marks[tcb.marks];
    std::uint32_t passed = 0;
    while (passed < marks.count && marks.end[passed] <= tcb.snd.una)
        ++passed;
    std::copy(marks.end.begin() + passed, marks.end.begin() + marks.count, marks.end.begin());
    marks.count -= passed;
    if (marks.count == 0) release_marks(env, tcb);
}

void release_marks(Environment& env, Tcb& tcb) {
    if (!tcb.flags.records) return;
    env.marks.give_back(tcb.marks);
    tcb.flags.records = false;
}

}  // namespace mtcp::tcp
