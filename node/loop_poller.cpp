#include "node/loop_poller.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace ddb::node {

LoopPoller::~LoopPoller() {
    if (epoll_ >= 0) ::close(epoll_);
}

Status LoopPoller::open() {
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ < 0) return fail(ErrorCode::io, std::string("no epoll: ") + std::strerror(errno));
    return ok();
}

bool LoopPoller::watch(int fd, What what) const {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u32 = what;
    return ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0;
}

Status LoopPoller::add(int fd, What what) {
    if (fd < 0 || watch(fd, what)) return ok();
    return fail(ErrorCode::io, std::string("cannot watch a descriptor: ") + std::strerror(errno));
}

// A descriptor that was closed is gone from the set by itself, and its number may be somebody else's.
void LoopPoller::set_links(const std::vector<pollfd>& fds) {
    for (const int fd : links_) (void)::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
    links_.clear();
    for (std::size_t i = 0; i < fds.size(); ++i) {
        if (watch(fds[i].fd, i == 0 ? messages : housekeeping)) links_.push_back(fds[i].fd);
    }
}

std::uint32_t LoopPoller::wait(int timeout_ms) {
    std::array<epoll_event, 16> events;
    const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), timeout_ms);
    std::uint32_t readable = 0;
    for (int i = 0; i < count; ++i) readable |= events[static_cast<std::size_t>(i)].data.u32;
    return readable;
}

}  // namespace ddb::node
