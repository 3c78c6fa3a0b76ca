#include "client/sink.hpp"

#include <unistd.h>

#include <cerrno>

namespace ddb::client {
namespace {
constexpr std::size_t buffer_bytes = 64u << 10;
}

void FdSink::write(std::string_view bytes) {
    if (failure_ != 0) return;
    if (buffer_.size() + bytes.size() > buffer_bytes) flush();
    if (bytes.size() > buffer_bytes) {
        write_out(bytes);
    } else {
        buffer_.append(bytes);
    }
}

void FdSink::flush() {
    if (failure_ == 0) write_out(buffer_);
    buffer_.clear();
}

void FdSink::redirect(int fd) {
    flush();
    fd_ = fd;
    failure_ = 0;
}

void FdSink::write_out(std::string_view bytes) {
    while (!bytes.empty() && failure_ == 0) {
        const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
        if (written >= 0) {
            bytes.remove_prefix(static_cast<std::size_t>(written));
        } else if (errno != EINTR) {
            failure_ = errno;
        }
    }
}

void TeeSink::write(std::string_view bytes) {
    main_.write(bytes);
    if (copy_ != nullptr) copy_->write(bytes);
}

void TeeSink::flush() {
    main_.flush();
    if (copy_ != nullptr) copy_->flush();
}

}  // namespace ddb::client
