#include "node/storage/dump_comments.hpp"

#include <utility>

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
        const std::size_t newline = bytes.find('\n');
        const bool ends = newline != std::string_view::npos;
        const std::string_view piece = bytes.substr(0, ends ? newline + 1 : bytes.size());
        bytes.remove_prefix(piece.size());
        if (passing_) {
            out += piece;
            passing_ = !ends;
            continue;
        }
        line_ += piece;
        if (ends) {
            out += take_line();
        } else if (!definitions_ && !begin_of_definitions.starts_with(line_)) {
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
    if (line_ == begin_of_definitions) {
        definitions_ = wrapped_ = true;
    } else if (line_ == end_of_definitions) {
        definitions_ = false;
    } else if (definitions_ && line_.starts_with("CREATE ")) {
        wrapped_ = false;
    }
    (definitions_ && may_end_in_comment(line_) ? last_ : out) += line_;
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
