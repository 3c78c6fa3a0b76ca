#include "node/storage/dump_triggers.hpp"

#include <algorithm>
#include <optional>

#include "node/storage/line_pieces.hpp"
#include "node/storage/metadata.hpp"
#include "node/storage/sql_words.hpp"

namespace ddb::storage {
namespace {

constexpr std::string_view begin_of_trigger = "/*!50003 CREATE*/ ";
constexpr std::string_view begin_of_use = "USE `";
constexpr std::size_t head_bytes_max = 2048;  // of a trigger, with its name

// The name that begins at `at`, quoted or not, which is put behind it.
std::optional<std::string> take_name(std::string_view text, std::size_t& at) {
    if (at >= text.size()) return std::nullopt;
    if (text[at] == '`' || text[at] == '"') return take_quoted_name(text, at);
    const std::string_view word = word_at(text, at);
    at += word.size();
    return word.empty() ? std::nullopt : std::optional(std::string(word));
}

void skip_spaces(std::string_view text, std::size_t& at) {
    while (at < text.size() && static_cast<unsigned char>(text[at]) <= ' ') ++at;
}

void skip_blanks(std::string_view text, std::size_t& at) {
    for (std::size_t begin = text.size() + 1; begin != at;) {
        begin = at;
        skip_spaces(text, at);
        if (at < text.size()) at = end_of_comment(text, at);
    }
}

std::size_t end_of_string(std::string_view text, std::size_t at, bool backslashes) {
    if (backslashes) return end_of_quoted(text, at);
    const std::size_t end = text.find(text[at], at + 1);
    return end == std::string_view::npos ? text.size() : end + 1;
}

}  // namespace

std::set<std::string> columns_named(std::string_view trigger, std::string_view sql_mode) {
    const bool backslashes = sql_mode.find("NO_BACKSLASH_ESCAPES") == std::string_view::npos;
    const bool quoted_names = sql_mode.find("ANSI_QUOTES") != std::string_view::npos;
    std::set<std::string> out;
    for (std::size_t at = 0; at < trigger.size();) {
        if (const std::size_t end = end_of_comment(trigger, at); end != at) {
            at = end;
            continue;
        }
        if (trigger[at] == '\'' || (trigger[at] == '"' && !quoted_names)) {
            at = end_of_string(trigger, at, backslashes);
            continue;
        }
        const bool variable = at > 0 && trigger[at - 1] == '@';
        const std::size_t begin = at;
        const auto row = take_name(trigger, at);
        if (at == begin) ++at;
        if (!row || variable || (!same_word(*row, "NEW") && !same_word(*row, "OLD"))) continue;
        skip_blanks(trigger, at);
        if (at >= trigger.size() || trigger[at] != '.') continue;
        skip_blanks(trigger, ++at);
        if (auto name = take_name(trigger, at)) out.insert(std::move(*name));
    }
    return out;
}

Result<BrokenTriggers> broken_triggers(Connection& connection) {
    const auto triggers = connection.rows(
        "SELECT trigger_schema, trigger_name, event_object_table, action_statement, sql_mode FROM "
        "information_schema.triggers WHERE trigger_schema NOT IN "
        "('information_schema','mysql','performance_schema','sys')");
    if (!triggers.ok()) return triggers.error();
    BrokenTriggers out;
    for (const auto& row : *triggers) {
        const std::string database = row.at(0).value_or("");
        const std::string table = row.at(2).value_or("");
        for (const std::string& name : columns_named(row.at(3).value_or(""), row.at(4).value_or(""))) {
            const std::string of_table =
                " WHERE table_schema=" + to_hex_literal(database) + " AND table_name=" + to_hex_literal(table);
            // Those that a versioned table has are not listed.
            const bool of_versions = same_word(name, "ROW_START") || same_word(name, "ROW_END");
            const auto there = connection.rows(
                of_versions
                    ? "SELECT 1 FROM information_schema.tables" + of_table + " AND table_type='SYSTEM VERSIONED'"
                    : "SELECT 1 FROM information_schema.columns" + of_table + " AND column_name=CONVERT(" +
                          to_hex_literal(name) + " USING utf8mb4)");
            if (!there.ok()) return there.error();
            if (!there->empty()) continue;
            BrokenTrigger& broken = out[{database, row.at(1).value_or("")}];
            broken.table = table;
            broken.missing.insert(name);
        }
    }
    return out;
}

std::string DumpTriggers::pass(std::string_view bytes) {
    std::string out;
    while (!bytes.empty()) {
        const auto [piece, ends] = take_piece(bytes);
        if (!inside_) {
            line_ += piece;
            const auto may_be = [&](std::string_view begin) {
                return begin.starts_with(std::string_view(line_).substr(0, begin.size()));
            };
            const bool wanted = may_be(begin_of_trigger) || may_be(begin_of_use) || may_be(DumpBodies::begin_of_line);
            if (wanted && !ends && line_.size() < head_bytes_max) continue;
            out += before(line_) + line_;
            bodies_.pass(line_);
            line_.clear();
        } else {
            out += piece;
        }
        inside_ = !ends;
    }
    return out;
}

std::string DumpTriggers::rest() {
    return std::move(line_) + std::move(behind_);
}

// What is said in front of the line.
std::string DumpTriggers::before(std::string_view line) {
    if (line.starts_with(begin_of_use) && !bodies_.inside()) {
        std::size_t at = begin_of_use.size() - 1;
        database_ = take_name(line, at).value_or("");
        return {};
    }
    if (!line.starts_with(begin_of_trigger) || !bodies_.first()) return {};
    // /*!50003 CREATE*/ /*!50017 DEFINER=`u`@`h`*/ /*!50003 TRIGGER [IF NOT EXISTS] [database.]name BEFORE …
    int depth = 0;
    std::size_t at = begin_of_trigger.size();
    std::string_view kind;
    while (!same_word(kind, "TRIGGER")) {
        at = next_word(line, at, depth);
        kind = word_at(line, at);
        if (kind.empty()) return {};
        at += kind.size();
    }
    skip_spaces(line, at);
    for (const std::string_view word : {"IF", "NOT", "EXISTS"}) {
        if (!same_word(word_at(line, at), word)) break;
        at += word.size();
        skip_spaces(line, at);
    }
    auto name = take_name(line, at);
    skip_spaces(line, at);
    if (name && at < line.size() && line[at] == '.') {
        ++at;
        skip_spaces(line, at);
        name = take_name(line, at);
    }
    const auto found = name ? broken_.find({database_, *name}) : broken_.end();
    if (found == broken_.end()) return {};
    std::string out;
    for (const std::string& column : found->second.missing) {
        const std::string change = "ALTER TABLE " + quoted_name(database_) + "." + quoted_name(found->second.table);
        const std::string added = change + " ADD COLUMN " + quoted_name(column) + " INT;;\n";
        if (!given_back_.insert(added).second) continue;
        out += added;
        behind_ += change + " DROP COLUMN " + quoted_name(column) + ";\n";
    }
    return out;
}

}  // namespace ddb::storage
