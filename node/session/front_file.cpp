// LOAD … LOCAL: the client's file is asked for before anything is sent to the coordinator. A small one goes along with
// the statement, so that the request can be sent again like any other. Of a larger one the first piece does; the
// coordinator asks for the others, and from then on the request can only be looked up.
#include "node/session/client_file.hpp"
#include "node/session/engine_parts.hpp"
#include "node/session/front_session.hpp"

namespace ddb::session {

// True when the request waits for the client now.
bool FrontSession::ask_for_file() {
    Execute& execute = active_->execute;
    execute.pieces = FilePieces::none;
    if (execute.describe || execute.file) return false;
    auto name = client_file_of(execute.sql, no_backslash_escapes_);
    if (!name) return false;
    active_->step = Step::file;
    send(FileWanted{open_.session, execute.request, std::move(*name), 0, true});
    return true;
}

void FrontSession::on_file(FileContent file) {
    if (!active_ || active_->execute.request != file.request) return;
    if (active_->step == Step::forwarded) return on_piece(std::move(file));
    if (active_->step != Step::file || file.offset != 0) return;
    if (file.error) return finish_error(std::move(*file.error));
    if (file.content.size() + active_->execute.sql.size() > statement_bytes_max) {
        return finish_error(client_file_too_large());
    }
    if (file.more) {
        active_->execute.pieces = FilePieces::follow;
        active_->piece_end = file.content.size();
        active_->execute.file_begin = std::move(file.content);
    } else {
        active_->execute.file = std::move(file.content);
    }
    // Sending it is the client's work: the time to begin counts from here.
    if (active_->begin_until_ms != 0) active_->begin_until_ms = parts_.now_ms + begin_ms_max;
    forward();
}

// The coordinator asks once more where an answer may have been lost.
void FrontSession::on_piece_wanted(std::uint64_t offset) {
    if (active_->execute.pieces == FilePieces::none) return;
    if (active_->piece && active_->piece->offset == offset) return parts_.send_to_back(back_node_, *active_->piece);
    if (active_->piece_asked || offset != active_->piece_end) return;
    active_->execute.pieces = FilePieces::gone;
    active_->execute.file_begin = std::string();
    active_->piece.reset();
    active_->piece_asked = true;
    send(FileWanted{open_.session, active_->execute.request, {}, offset, true});
}

void FrontSession::on_piece(FileContent piece) {
    if (!active_->piece_asked || piece.offset != active_->piece_end) return;
    active_->piece_asked = false;
    active_->piece_end += piece.content.size();
    active_->piece = std::move(piece);
    active_->resend_ms = parts_.now_ms + active_->resend_gap_ms;
    parts_.send_to_back(back_node_, *active_->piece);
}

}  // namespace ddb::session
