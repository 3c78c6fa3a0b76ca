#include "node/storage/dump_charsets.hpp"

#include <algorithm>
#include <array>

#include "node/storage/line_pieces.hpp"

namespace ddb::storage {
namespace {

constexpr std::size_t line_bytes_max = 128;  // of one that is looked for
constexpr std::string_view begin_of_line = "/*!5000";

}  // namespace

std::string DumpCharsets::pass(std::string_view bytes) {
    std::string out;
    out.reserve(bytes.size());
    while (!bytes.empty()) {
        const auto [piece, ends] = take_piece(bytes);
        if (inside_) {
            out += piece;
            inside_ = !ends;
            continue;
        }
        line_ += piece;
        const auto may_be = [&](std::string_view begin) {
            return line_.size() <= line_bytes_max && begin.starts_with(std::string_view(line_).substr(0, begin.size()));
        };
        if (!ends && (may_be(begin_of_line) || may_be(DumpBodies::begin_of_line))) continue;
        if (may_be(begin_of_line) && !bodies_.inside()) out += command_for(line_);
        bodies_.pass(line_);
        out += line_;
        line_.clear();
        inside_ = !ends;
    }
    return out;
}

std::string DumpCharsets::rest() {
    return std::move(line_);
}

// /*!50003 SET character_set_client  = sjis */ ; and later = @saved_cs_client
std::string DumpCharsets::command_for(std::string_view line) {
    constexpr std::string_view name = " SET character_set_client";
    constexpr std::array<std::string_view, 4> with_backslashes{"big5", "cp932", "gbk", "sjis"};
    line.remove_prefix(std::min(line.size(), begin_of_line.size() + 1));
    if (!line.starts_with(name)) return {};
    line.remove_prefix(name.size());
    line.remove_prefix(std::min(line.find_first_not_of(" ="), line.size()));
    const std::string_view value = line.substr(0, line.find(' '));
    const bool now = std::find(with_backslashes.begin(), with_backslashes.end(), value) != with_backslashes.end();
    if (!now && !told_) return {};
    told_ = now;
    return "\\C " + (now ? std::string(value) : std::string("utf8mb4")) + "\n";
}

}  // namespace ddb::storage
