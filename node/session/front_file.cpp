// LOAD … LOCAL: the client's file is asked for before anything is sent to the coordinator, and goes along with the
// statement; so the request can be sent again like any other.
#include "node/session/client_file.hpp"
#include "node/session/engine_parts.hpp"
#include "node/session/front_session.hpp"

namespace ddb::session {

// True when the request waits for the client now.
bool FrontSession::ask_for_file() {
    if (active_->execute.describe || active_->execute.file) return false;
    auto name = client_file_of(active_->execute.sql, no_backslash_escapes_);
    if (!name) return false;
    active_->step = Step::file;
    send(FileWanted{open_.session, active_->execute.request, std::move(*name)});
    return true;
}

void FrontSession::on_file(FileContent file) {
    if (!active_ || active_->step != Step::file || active_->execute.request != file.request) return;
    if (file.error) return finish_error(std::move(*file.error));
    if (file.content.size() + active_->execute.sql.size() > statement_bytes_max) {
        return finish_error(client_file_too_large());
    }
    active_->execute.file = std::move(file.content);
    // Sending it is the client's work: the time to begin counts from here.
    if (active_->begin_until_ms != 0) active_->begin_until_ms = parts_.now_ms + begin_ms_max;
    forward();
}

}  // namespace ddb::session
