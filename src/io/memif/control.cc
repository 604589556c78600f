// SPDX-License-Identifier: Apache-2.0
// One poll loop for the listener and all control sockets.
#include "io/memif/control.h"

#include <poll.h>
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/log.h"
#include "io/memif/socket_address.h"

namespace mtcp::io::memif {
namespace {

// While something is unfinished the thread looks again every round; between two messages of a
// handshake there are at most kRoundsMax of them. No clock is needed.
constexpr int kRoundMs = 20;
constexpr unsigned kRoundsMax = 100;
constexpr unsigned kRoundsAlone = 50;  // then a slave tells that it waits
// Strangers that connect and say nothing cannot keep others out for longer than that.
constexpr std::size_t kChannelsMax = 16;

FileDescriptor new_socket() {
    return FileDescriptor(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

Problem cannot_listen(const std::string& name, int error) {
    Problem problem{.what = "cannot listen on memif socket " + name,
                    .why = std::strerror(error),
                    .mend = "",
                    .error = error};
    if (error == EADDRINUSE) {
        problem.mend = "another process listens there: stop it, or choose another socket";
    } else if (error == ENOENT) {
        problem.mend = "make the directory, or use an abstract name (@name)";
    } else if (error == EACCES || error == EPERM || error == EROFS) {
        problem.mend = "choose a directory this user may write to, or an abstract name (@name)";
    }
    return problem;
}

// A socket file outlives a killed process; it is stale when nobody accepts on it.
bool is_stale(const SocketAddress& address) {
    const FileDescriptor probe = new_socket();
    return probe.open() && ::connect(probe.get(), address.get(), address.length) != 0 &&
           errno == ECONNREFUSED;
}

bool is_socket_file(const std::string& path) {
    struct stat status {};
    return ::lstat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode);
}

Result<FileDescriptor, Problem> listen_on(const std::string& name) {
    FileDescriptor listener = new_socket();
    if (!listener.open()) return failure(cannot_listen(name, errno));
    const SocketAddress address = make_address(name);
    int bound = ::bind(listener.get(), address.get(), address.length);
    if (bound != 0 && errno == EADDRINUSE && !is_abstract(name) && is_socket_file(name) &&
        is_stale(address)) {
        static_cast<void>(::unlink(name.c_str()));
        bound = ::bind(listener.get(), address.get(), address.length);
    }
    if (bound != 0) {
        const int error =
            errno == EADDRINUSE && !is_abstract(name) && !is_socket_file(name) ? EEXIST : errno;
        Problem problem = cannot_listen(name, error);
        if (error == EEXIST)
            problem.mend = "a file of this name is in the way: choose another name";
        return failure(problem);
    }
    if (::listen(listener.get(), 4) != 0) return failure(cannot_listen(name, errno));
    return listener;
}

}  // namespace

Result<std::unique_ptr<Control>, Problem> Control::start(const MemifConfig& config,
                                                         SessionMailbox& mailbox) {
    std::unique_ptr<Control> control(new Control(config, mailbox));
    if (config.role == MemifRole::master) {
        auto listener = listen_on(config.socket);
        if (!listener.ok()) return failure(listener.error());
        control->listener_ = std::move(*listener);
        if (!is_abstract(config.socket)) control->path_to_remove_ = config.socket;
    }
    // Signals are for the application's threads.
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = ::pthread_create(&control->thread_, nullptr, run_thread, control.get());
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (error != 0) {
        return failure(
            Problem{.what = "cannot start the control thread of memif socket " + config.socket,
                    .why = std::strerror(error),
                    .mend = "raise the limit of threads (ulimit -u)",
                    .error = error});
    }
    control->running_ = true;
    ::pthread_setname_np(control->thread_, "mtcp-memif");
    return control;
}

Control::~Control() {
    if (running_) {
        stopping_.store(true);
        mailbox_.wake_control();
        ::pthread_join(thread_, nullptr);
    }
    for (const auto& channel : channels_)
        channel->disconnect("interface closed");
    if (!path_to_remove_.empty()) static_cast<void>(::unlink(path_to_remove_.c_str()));
}

void* Control::run_thread(void* self) {
    static_cast<Control*>(self)->run();
    return nullptr;
}

void Control::run() {
    while (!stopping_.load()) {
        if (config_.role == MemifRole::slave && channels_.empty()) try_to_connect();
        wait_and_serve();
        end_round();
    }
}

void Control::wait_and_serve() {
    std::vector<pollfd> polled;
    polled.push_back({mailbox_.control_doorbell(), POLLIN, 0});
    const bool may_accept = listener_.open() && channels_.size() < kChannelsMax && !cannot_accept_;
    polled.push_back({may_accept ? listener_.get() : -1, POLLIN, 0});
    bool unfinished = cannot_accept_ || (config_.role == MemifRole::slave && channels_.empty());
    cannot_accept_ = false;
    for (const auto& channel : channels_) {
        polled.push_back({channel->socket(), POLLIN, 0});
        unfinished = unfinished || channel->state() != Channel::State::connected;
    }
    static_cast<void>(::poll(polled.data(), polled.size(), unfinished ? kRoundMs : -1));
    if ((polled[0].revents & POLLIN) != 0) {
        std::uint64_t count = 0;
        [[maybe_unused]] const ssize_t got = ::read(polled[0].fd, &count, sizeof count);
    }
    for (std::size_t i = 0; i < channels_.size(); ++i) {
        serve(*channels_[i], polled[i + 2].revents != 0);
    }
    if (polled[1].revents != 0) accept_one();
}

void Control::accept_one() {
    FileDescriptor socket(
        ::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket.open()) {
        channels_.push_back(std::make_unique<Channel>(std::move(socket), config_));
    } else {
        // Whoever waits stays readable: to ask again at once would be a spin.
        cannot_accept_ = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
    }
}

void Control::try_to_connect() {
    FileDescriptor socket = new_socket();
    const SocketAddress address = make_address(config_.socket);
    if (socket.open() && ::connect(socket.get(), address.get(), address.length) == 0) {
        channels_.push_back(std::make_unique<Channel>(std::move(socket), config_));
        rounds_alone_ = 0;
        return;
    }
    const int error = errno;
    if (++rounds_alone_ == kRoundsAlone) {
        log(LogLevel::warning, "memif %s id %u: waiting for a master, none is there yet: %s",
            config_.socket.c_str(), config_.id, std::strerror(error));
    }
}

bool Control::interface_taken_beside(const Channel& channel) const {
    return std::any_of(channels_.begin(), channels_.end(), [&](const auto& other) {
        return other.get() != &channel && (other->state() == Channel::State::negotiating ||
                                           other->state() == Channel::State::connected);
    });
}

void Control::serve(Channel& channel, bool readable) {
    const Channel::State before = channel.state();
    if (readable) {
        channel.rounds_waited = 0;
        channel.on_readable(interface_taken_beside(channel) ? Channel::Interface::taken
                                                            : Channel::Interface::free);
    }
    if (channel.state() == Channel::State::connected) {
        if (channel.session()->peer_broke_rules.load(std::memory_order_acquire)) {
            channel.disconnect("broken ring");
        } else if (before != Channel::State::connected) {
            published_ = &channel;
            mailbox_.publish(channel.session());
            tell_of(*channel.session());
        }
    }
}

// A peer of fewer rings is taken all the same: where one of many cores has a context, one ring is
// enough. Where others have some, too, the connections of cores without a ring fail.
void Control::tell_of(const Session& session) const {
    log(LogLevel::info, "memif %s id %u: connected to '%s', interface '%s'", config_.socket.c_str(),
        config_.id, session.peer_program.c_str(), session.peer_interface.c_str());
    const std::string mute = mute_queues(session, config_.rings);
    if (mute.empty()) return;
    log(LogLevel::warning,
        "memif %s id %u: '%s' has fewer rings than the %zu queues here, none for queue %s: what is "
        "sent there is dropped (io_transmit_full); start the peer with %zu rings each way, or "
        "lower num_cores",
        config_.socket.c_str(), config_.id, session.peer_program.c_str(), config_.rings,
        mute.c_str(), config_.rings);
}

// Removes what has ended and what takes too long.
void Control::end_round() {
    for (const auto& channel : channels_) {
        if (channel->state() != Channel::State::connected &&
            ++channel->rounds_waited > kRoundsMax) {
            channel->disconnect("handshake took too long");
        }
        if (channel->state() != Channel::State::closed) continue;
        const bool was_up = channel.get() == published_;
        if (was_up) {
            published_ = nullptr;
            mailbox_.publish(nullptr);
        }
        // Who is turned away asks again some twenty times a second.
        if (!was_up && channel->reason() == refusal_told_) continue;
        refusal_told_ = was_up ? "" : channel->reason();
        log(was_up ? LogLevel::info : LogLevel::warning, "memif %s id %u: %s: %s",
            config_.socket.c_str(), config_.id, was_up ? "disconnected" : "not connected",
            channel->reason().c_str());
    }
    const std::size_t before = channels_.size();
    std::erase_if(channels_,
                  [](const auto& channel) { return channel->state() == Channel::State::closed; });
    // A slave that was turned away does not come back at once.
    if (config_.role == MemifRole::slave && channels_.size() < before && !stopping_.load()) {
        pollfd doorbell{mailbox_.control_doorbell(), POLLIN, 0};
        static_cast<void>(::poll(&doorbell, 1, kRoundMs));
    }
}

}  // namespace mtcp::io::memif
