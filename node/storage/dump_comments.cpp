#include "node/storage/dump_comments.hpp"

#include <utility>

#include "node/storage/line_pieces.hpp"

namespace ddb::storage {
namespace {

constexpr std::string_view begin_of_definitions = "DELIMITER ;;\n";
constexpr std::string_view end_of_definitions = "DELIMITER ;\n";
constexpr std::string_view behind_event = "/*!50003 SET time_zone ";
constexpr std::string_view end_of_text = ";;\n";

// Where the comment stands in a string after all, the text has a line's end behind it that says nothing.
[[nodiscard]] bool may_end_in_comment(std::string_view line) {
    return line.ends_with(end_of_text) && (line.find("--") != line.npos || line.find('#') != line.npos);
}

}  // namespace

std::string DumpComments::pass(std::string_view bytes) {
    std::string out;
    out.reserve(bytes.size());
    while (!bytes.empty()) {
        const auto [piece, ends] = take_piece(bytes);
        if (passing_) {
            out += piece;
            passing_ = !ends;
            continue;
        }
        line_ += piece;
        if (ends) {
            out += take_line();
        } else if (!bodies_.inside() && !begin_of_definitions.starts_with(line_)) {
            out += std::exchange(line_, "");  // rows: lines of megabytes
            passing_ = true;
        }
    }
    return out;
}

std::string DumpComments::rest() {
    return std::exchange(last_, "") + std::exchange(line_, "");
}

std::string DumpComments::take_line() {
    std::string out;
    if (!last_.empty()) {
        const bool ended = line_ == end_of_definitions || line_.starts_with(behind_event);
        out = ended ? mended() : last_;
        last_.clear();
    }
    bodies_.pass(line_);
    if (line_ == begin_of_definitions) {
        wrapped_ = true;
    } else if (bodies_.inside() && line_.starts_with("CREATE ")) {
        wrapped_ = false;
    }
    (bodies_.inside() && may_end_in_comment(line_) ? last_ : out) += line_;
    line_.clear();
    return out;
}

// "text -- comment ;;" or "/*!50003 text -- comment */;;", with a line's end behind the comment.
std::string DumpComments::mended() const {
    std::size_t at = last_.size() - end_of_text.size();
    if (wrapped_) at = last_.rfind("*/", at);
    return at == std::string::npos ? last_ : last_.substr(0, at) + "\n" + last_.substr(at);
}

}  // namespace ddb::storage
