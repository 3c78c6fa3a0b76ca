// LOAD … LOCAL: the client sends its file in packets, the last of which is empty.
// https://mariadb.com/kb/en/packet_local_infile/
#include <utility>

#include "node/gateway/conversation.hpp"

namespace ddb::gateway {

void Conversation::on_file_wanted(const FileWanted& wanted) {
    if ((capabilities_ & capability::local_files) == 0) {
        const Error disabled{ErrorCode::sql,
                             "The used command is not allowed because the MariaDB server or client has disabled the "
                             "local infile capability",
                             4166, "HY000"};
        return host_.send(FileContent{session_, request_, disabled, {}});
    }
    state_ = State::sending_file;
    heard_ms_ = now_ms_;
    put('\xfb' + wanted.name);
}

// A client that cannot read its file sends none of it, and tells its user so.
void Conversation::on_file_packet(std::string_view payload) {
    if (!payload.empty()) {
        running_->file_too_large =
            running_->file_too_large || running_->file.size() + payload.size() > statement_bytes_max;
        if (!running_->file_too_large) running_->file += payload;
        if (running_->file_too_large) running_->file.clear();
        return;
    }
    state_ = State::running;
    if (running_->early_end) return on_result_end(std::move(*running_->early_end));
    FileContent content{session_, request_, std::nullopt, std::move(running_->file)};
    if (running_->file_too_large) content.error = client_file_too_large();
    host_.send(std::move(content));
}

}  // namespace ddb::gateway
