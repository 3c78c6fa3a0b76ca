// LOAD … LOCAL: the client sends its file in packets, the last of which is empty. They are passed on in pieces; until
// the next one is wanted, the client is not listened to.
// https://mariadb.com/kb/en/packet_local_infile/
#include <utility>

#include "node/gateway/conversation.hpp"

namespace ddb::gateway {
namespace {

constexpr std::uint64_t slow_piece_ms = 5000;  // a client that needs longer for a whole one is alive all the same

}  // namespace

void Conversation::on_file_wanted(const FileWanted& wanted) {
    if (wanted.offset != 0) {
        if (!running_->file_open || wanted.offset != running_->file.offset) return;
        state_ = State::sending_file;
        heard_ms_ = running_->file_wanted_ms = now_ms_;
        return;
    }
    running_->file = {session_, request_, std::nullopt, {}, 0, false};
    if ((capabilities_ & capability::local_files) == 0) {
        running_->file.error = Error{ErrorCode::sql,
                                     "The used command is not allowed because the MariaDB server or client has "
                                     "disabled the local infile capability",
                                     4166, "HY000"};
        return host_.send(std::move(running_->file));
    }
    state_ = State::sending_file;
    heard_ms_ = now_ms_;
    put('\xfb' + wanted.name);
}

// A client that cannot read its file sends none of it, and tells its user so.
void Conversation::on_file_packet(std::string_view payload) {
    FileContent& file = running_->file;
    if (payload.empty()) {
        state_ = State::running;
        if (running_->early_end) return on_result_end(std::move(*running_->early_end));
        running_->file_open = false;
        return host_.send(std::move(file));
    }
    if (running_->early_end) return;  // nobody wants it any more
    const bool too_large = file.content.size() + payload.size() > statement_bytes_max;
    if (too_large && !file.error) file = {session_, request_, client_file_too_large(), {}, file.offset, false};
    if (file.error) return;
    file.content += payload;
    if (file.content.size() >= file_piece_bytes) pass_piece_on();
}

void Conversation::pass_piece_on() {
    FileContent& file = running_->file;
    file.more = running_->file_open = true;
    const std::uint64_t end = file.offset + file.content.size();
    state_ = State::running;
    host_.send(std::exchange(file, {session_, request_, std::nullopt, {}, end, false}));
}

// The server waits for what comes behind the first one.
void Conversation::pass_slow_piece_on() {
    if (state_ != State::sending_file || running_->early_end) return;
    const FileContent& file = running_->file;
    if (file.offset == 0 || file.content.empty() || file.error) return;
    if (now_ms_ >= running_->file_wanted_ms + slow_piece_ms) pass_piece_on();
}

}  // namespace ddb::gateway
