#include "node/session/early_statements.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <utility>

namespace ddb::session {
namespace {

constexpr int events_max = 64;

}  // namespace

EarlyStatements::EarlyStatements(ExecutorPool& pool) : pool_(pool), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    DDB_ASSERT(epoll_ >= 0);
}

EarlyStatements::~EarlyStatements() {
    ::close(epoll_);
}

// Edge-triggered, so that a connection is registered once and not for each statement; what comes while an executor
// reads wakes the loop for nothing.
bool EarlyStatements::watch(storage::Connection& connection) {
    if (connection.watched()) return true;
    epoll_event event{};
    event.events = EPOLLIN | EPOLLRDHUP | EPOLLET;
    event.data.fd = connection.socket();
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.socket(), &event) != 0) return false;
    connection.set_watched(true);
    return true;
}

bool EarlyStatements::send(storage::Connection& connection, std::string_view sql, std::span<const std::string> before) {
    return watch(connection) && connection.start_early(sql, before);
}

void EarlyStatements::wait(storage::Connection& connection, Task task) {
    if (connection.broken()) {
        pool_.run(std::move(task));
        return;
    }
    waiting_[connection.socket()] = {&connection, std::move(task)};
}

void EarlyStatements::look(int socket) {
    const auto found = waiting_.find(socket);
    if (found == waiting_.end()) return;
    storage::Connection& connection = *found->second.connection;
    const storage::Replies replies = connection.peek_replies();
    if (replies == storage::Replies::incomplete) return;  // another event comes with the rest
    Task task = std::move(found->second.task);
    waiting_.erase(found);
    if (replies == storage::Replies::complete) {
        task();
        return;
    }
    // An executor reads many times.
    if (::epoll_ctl(epoll_, EPOLL_CTL_DEL, socket, nullptr) == 0) connection.set_watched(false);
    pool_.run(std::move(task));
}

void EarlyStatements::on_ready() {
    std::array<epoll_event, events_max> events;
    const int count = ::epoll_wait(epoll_, events.data(), events_max, 0);
    for (int i = 0; i < count; ++i) look(events[static_cast<std::size_t>(i)].data.fd);
}

}  // namespace ddb::session
