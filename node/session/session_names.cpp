#include "node/session/session_names.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "node/session/sql_scan.hpp"

namespace ddb::session {
namespace {

constexpr std::size_t tokens_max = 4000;

// As classify() has them for a text, without those by which a routine fills its own variables and locks rows.
constexpr std::array<std::string_view, 9> words{"LAST_INSERT_ID", "CONNECTION_ID", "LASTVAL",    "CURRVAL",  "PREVIOUS",
                                                "PROCESSLIST",    "INNODB_TRX",    "FOUND_ROWS", "ROW_COUNT"};

constexpr std::array<std::string_view, 2> signs{"@", "_LOCK"};

[[nodiscard]] bool has_word(std::string_view body) {
    const auto inside = [&](auto word) { return contains_ignoring_case(body, word); };
    return std::any_of(words.begin(), words.end(), inside) || std::any_of(signs.begin(), signs.end(), inside);
}

}  // namespace

std::string session_words() {
    std::string out;
    for (const auto word : signs) out.append(out.empty() ? "" : "|").append(word);
    for (const auto word : words) out.append("|").append(word);
    return out;
}

bool asks_session(std::string_view body) {
    if (!has_word(body)) return false;
    // Where a string ends depends on sql_mode once a backslash occurs.
    if (body.find('\\') != std::string_view::npos) return true;
    const std::vector<Token> tokens = scan(body, tokens_max);
    if (tokens.size() == tokens_max) return true;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        const Token& token = tokens[i];
        if (token.kind == Token::Kind::user_variable || token.kind == Token::Kind::system_variable) return true;
        if (!token.may_name()) continue;
        if (listed(token.text, words)) return true;
        const bool called = i + 1 < tokens.size() && tokens[i + 1].symbol('(');
        if (called && contains_ignoring_case(token.text, "_LOCK")) return true;
    }
    return false;
}

SessionNames SessionNames::any() {
    SessionNames all;
    all.any_ = true;
    return all;
}

SessionNames SessionNames::of(const storage::StoredTexts& texts) {
    std::vector<storage::NamedText> asking;
    std::vector<storage::NamedText> others;
    for (const auto* list : {&texts.readable, &texts.procedures}) {
        for (const auto& each : *list) (asks_session(each.text) ? asking : others).push_back(each);
    }
    if (asking.empty()) return {};
    auto callable = DefinitionReach::of_all(asking);
    if (!callable || !callable->spread(std::move(others))) return any();
    std::vector<storage::NamedText> readable;
    std::copy_if(texts.readable.begin(), texts.readable.end(), std::back_inserter(readable),
                 [&](const auto& each) { return callable->concerns(each.name); });
    SessionNames found;
    if (!readable.empty()) found.readable_ = DefinitionReach::of_all(readable);
    found.callable_ = std::move(callable);
    return found;
}

bool SessionNames::concern(std::string_view sql, bool calls) const {
    const auto& names = calls ? callable_ : readable_;
    return any_ || (names && names->concerns(sql));
}

bool KnownSessionNames::begin_look(std::uint64_t now_ms) {
    now_ms_ = now_ms;
    const auto quiet = clock_.quiet();
    if (sure() || looking_ || !quiet || now_ms < not_before_ms_) return false;
    looking_ = quiet;
    stale_look_ = false;
    return true;
}

bool KnownSessionNames::looked(std::optional<SessionNames> names) {
    const auto at = std::exchange(looking_, std::nullopt);
    if (stale_look_) return false;
    if (!names) {
        not_before_ms_ = now_ms_ + again_ms;
        return !std::exchange(in_vain_, true);
    }
    names_ = std::move(*names);
    at_ = at;
    in_vain_ = false;
    return false;
}

void KnownSessionNames::forget() {
    at_.reset();
    stale_look_ = true;
}

}  // namespace ddb::session
