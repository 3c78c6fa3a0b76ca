#include "node/session/file_source.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace ddb::session {
namespace {

// A question or its answer may have been lost on the way.
constexpr std::uint32_t ask_again_ms = 5000;

}  // namespace

bool FileSource::begin() {
    std::lock_guard lock(mutex_);
    at_ = 0;
    return first_;
}

std::size_t FileSource::read(std::span<char> out) {
    std::unique_lock lock(mutex_);
    if (more_ && !next_ && !asked_) ask(lock);  // while this one is read
    if (at_ == piece_.size() && !next_piece(lock)) return 0;
    if (failure_) return 0;
    const std::size_t count = piece_.copy(out.data(), out.size(), at_);
    at_ += count;
    return count;
}

std::optional<Error> FileSource::failure() const {
    std::lock_guard lock(mutex_);
    return failure_;
}

bool FileSource::next_piece(std::unique_lock<std::mutex>& lock) {
    const auto come = [&] { return next_ || failure_ || !more_; };
    for (std::uint32_t waited_ms = 0; !come(); waited_ms += ask_again_ms) {
        if (waited_ms >= slow_file_ms_max) {
            failure_ = fail(ErrorCode::overloaded, "the client sent no more of its file for 60 seconds");
            return false;
        }
        if (waited_ms != 0) ask(lock);
        (void)changed_.wait_for(lock, std::chrono::milliseconds(ask_again_ms), come);
    }
    if (failure_ || !next_) return false;
    piece_ = std::move(*next_);
    next_.reset();
    at_ = 0;
    first_ = false;
    return !piece_.empty();
}

void FileSource::ask(std::unique_lock<std::mutex>& lock) {
    asked_ = true;
    const std::uint64_t offset = end_;
    lock.unlock();
    ask_(offset);
    lock.lock();
}

void FileSource::give(FileContent piece) {
    std::lock_guard lock(mutex_);
    if (!more_ || next_ || piece.offset != end_) return;
    asked_ = false;
    if (piece.error) {
        failure_ = std::move(piece.error);
    } else {
        end_ += piece.content.size();
        more_ = piece.more;
        next_ = std::move(piece.content);
    }
    changed_.notify_one();
}

void FileSource::cancel() {
    std::lock_guard lock(mutex_);
    if (!failure_) failure_ = Error{ErrorCode::shutting_down, "Query execution was interrupted", 1317, "70100"};
    changed_.notify_one();
}

}  // namespace ddb::session
