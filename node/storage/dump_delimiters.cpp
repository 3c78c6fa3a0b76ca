#include "node/storage/dump_delimiters.hpp"

#include <algorithm>

#include "node/storage/line_pieces.hpp"
#include "node/storage/sql_words.hpp"

namespace ddb::storage {
namespace {

constexpr std::size_t begin_bytes_max = 1024;  // a line with all modes is shorter
constexpr std::string_view word = "DELIMITER";
constexpr std::string_view mode = "/*!50003 SET sql_mode";

}  // namespace

std::string DumpDelimiters::pass(std::string_view bytes) {
    std::string out;
    out.reserve(bytes.size());
    while (!bytes.empty()) {
        const auto [piece, ends] = take_piece(bytes);
        begin_ += piece.substr(0, begin_bytes_max - std::min(begin_bytes_max, begin_.size()));
        out += piece;
        if (bodies_.inside()) {
            for (const char c : piece.substr(0, piece.size() - (ends ? 1 : 0))) look_at(c);
        }
        if (!ends) continue;
        if (loses_newline()) out += '\n';
        end_line();
    }
    return out;
}

void DumpDelimiters::look_at(char c) {
    last_ = last_.substr(last_.size() - std::min<std::size_t>(last_.size(), 2)) + c;
    const std::string_view last = last_;
    switch (place_) {
        case Place::code:
            if (c == '\'' || c == '"' || c == '`') {
                place_ = Place::quoted;
                quote_ = c;
            } else if (c == '#' ||
                       (last.starts_with("--") && last.size() == 3 && static_cast<unsigned char>(c) <= ' ')) {
                place_ = Place::line_comment;
            } else if (last.ends_with("/*")) {
                place_ = Place::comment;
                last_.clear();
            }
            break;
        case Place::quoted:
            if (escaped_) {
                escaped_ = false;
            } else if (c == '\\' && backslashes_ && quote_ != '`') {
                escaped_ = true;
            } else if (c == quote_) {
                place_ = Place::code;
            }
            break;
        case Place::comment:
            // What follows this is run.
            if (last == "!" || last == "M!" || last.ends_with("*/")) {
                place_ = Place::code;
                last_.clear();
            }
            break;
        case Place::line_comment:
            break;
    }
}

bool DumpDelimiters::loses_newline() const {
    const bool names = begin_.size() > word.size() && same_word(std::string_view(begin_).substr(0, word.size()), word);
    const bool command = begin_ == "DELIMITER ;\n" || begin_ == "DELIMITER ;;\n";
    return bodies_.inside() && names && !command && place_ == Place::code && !last_.ends_with("--");
}

void DumpDelimiters::end_line() {
    if (place_ == Place::line_comment) place_ = Place::code;
    escaped_ = false;
    last_.clear();
    const bool was_inside = bodies_.inside();
    bodies_.pass(begin_);
    if (!was_inside) place_ = Place::code;
    if (!was_inside && begin_.starts_with(mode)) {
        backslashes_ = begin_.find("NO_BACKSLASH_ESCAPES") == std::string::npos;
    }
    begin_.clear();
}

}  // namespace ddb::storage
