// LOAD … LOCAL: the client sends its file in packets, the last of which is empty.
// https://mariadb.com/kb/en/packet_local_infile/
#include <utility>

#include "node/gateway/conversation.hpp"

namespace ddb::gateway {

void Conversation::on_file_wanted(const FileWanted& wanted) {
    running_->file = {session_, request_, std::nullopt, {}};
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
    if (!payload.empty()) {
        const bool too_large = file.content.size() + payload.size() > statement_bytes_max;
        if (too_large && !file.error) file = {session_, request_, client_file_too_large(), {}};
        if (!file.error) file.content += payload;
        return;
    }
    state_ = State::running;
    if (running_->early_end) return on_result_end(std::move(*running_->early_end));
    host_.send(std::move(file));
}

}  // namespace ddb::gateway
