#include "node/session/said_again.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "node/session/classifier_rules.hpp"
#include "node/session/sql_scan.hpp"

namespace ddb::session {
namespace {

using rules::token_at;
using rules::Tokens;

constexpr std::size_t behind_from = 3;      // PREPARE name FROM
constexpr std::size_t tokens_max = 20'000;  // of a statement that fits

// What one assignment sets, as all texts that set it have it; empty: not known. i goes behind it.
[[nodiscard]] std::string take_target(Tokens tokens, std::size_t& i) {
    constexpr std::array<std::string_view, 2> own_scope{"SESSION", "LOCAL"};
    constexpr std::array<std::string_view, 5> wider{"GLOBAL", "PERSIST", "PERSIST_ONLY", "TRANSACTION", "DEFAULT"};
    if (one_of(token_at(tokens, i), own_scope)) ++i;
    const Token name = token_at(tokens, i);
    ++i;
    if (one_of(name, wider) || token_at(tokens, i).symbol('.')) return {};
    std::string text = lower_case(name.text);
    if (name.kind == Token::Kind::user_variable) return '@' + text;
    if (name.kind == Token::Kind::system_variable) {
        for (const std::string_view scope : {"session.", "local."}) {
            if (text.starts_with(scope)) text.erase(0, scope.size());
        }
        return text.find('.') == std::string::npos ? text : std::string();
    }
    return name.kind == Token::Kind::word ? text : std::string();
}

// Of what a SET says: it would come to something else on another server, or later. What calls a function is known
// already.
[[nodiscard]] bool moves(const Token& token) {
    constexpr std::array<std::string_view, 8> times{"CURRENT_TIMESTAMP", "CURRENT_DATE", "CURRENT_TIME",
                                                    "LOCALTIMESTAMP",    "LOCALTIME",    "UTC_TIMESTAMP",
                                                    "UTC_DATE",          "UTC_TIME"};
    constexpr std::array<std::string_view, 13> variables{
        "LAST_INSERT_ID", "IDENTITY",  "WARNING_COUNT",    "ERROR_COUNT", "TIMESTAMP",      "RAND_SEED1", "RAND_SEED2",
        "HOSTNAME",       "SERVER_ID", "PSEUDO_THREAD_ID", "LAST_GTID",   "IN_TRANSACTION", "INSERT_ID"};
    if (token.kind != Token::Kind::system_variable) return one_of(token, times);
    const auto scope = token.text.rfind('.');
    return listed(scope == std::string_view::npos ? token.text : token.text.substr(scope + 1), variables);
}

// Whether it gives a variable such a value.
[[nodiscard]] bool may_come_to_something_else(const std::string& sql) {
    const std::vector<Token> tokens = scan(sql, tokens_max);
    bool value = false;
    int depth = 0;
    for (const Token& token : tokens) {
        depth += token.symbol('(') ? 1 : token.symbol(')') ? -1 : 0;
        if (value && moves(token)) return true;
        value = (value || token.symbol('=')) && !(depth == 0 && token.symbol(','));
    }
    return false;
}

}  // namespace

SaidAgain::Said SaidAgain::read_set(const std::string& sql) {
    Said out{sql, {}, false, {}, {}};
    const std::vector<Token> all = scan(sql, tokens_max);
    const Tokens tokens = all;
    bool known = token_at(tokens, 0).is("SET");
    for (std::size_t i = 1; i < tokens.size(); ++i) {
        std::string target = take_target(tokens, i);
        known = known && !target.empty();
        out.targets.push_back(std::move(target));
        for (int depth = 0; i < tokens.size() && !(depth == 0 && tokens[i].symbol(',')); ++i) {
            const Token& token = tokens[i];
            const bool variable =
                token.kind == Token::Kind::user_variable || token.kind == Token::Kind::system_variable;
            out.reads = out.reads || variable || token.symbol('(');
            depth += token.symbol('(') ? 1 : token.symbol(')') ? -1 : 0;
        }
    }
    if (!known) out.targets.clear();
    return out;
}

template <typename Which>
void SaidAgain::forget(const Which& which, std::vector<Said>::iterator begin) {
    const auto forgotten = [&](const Said& said) {
        if (!which(said)) return false;
        bytes_ -= said.sql.size();
        return true;
    };
    said_.erase(std::remove_if(begin, said_.end(), forgotten), said_.end());
}

// Those whose effects `later` replaces, unless something in between, or it itself, was told them.
void SaidAgain::forget_set(const Said& later) {
    if (later.reads) return;
    const auto replaced = [&](const Said& said) {
        if (said.sql == later.sql) return true;
        const auto again = [&](const std::string& target) {
            return std::find(later.targets.begin(), later.targets.end(), target) != later.targets.end();
        };
        return !said.targets.empty() && std::all_of(said.targets.begin(), said.targets.end(), again);
    };
    const auto reads = [](const Said& said) { return said.reads; };
    const auto begin = std::find_if(said_.rbegin(), said_.rend(), reads).base();
    forget(replaced, begin);
}

bool SaidAgain::add(Said said) {
    if (said_.size() >= statements_max || bytes_ + said.sql.size() > bytes_max) return false;
    bytes_ += said.sql.size();
    said_.push_back(std::move(said));
    return true;
}

bool SaidAgain::set(const std::string& sql) {
    Said said = read_set(sql);
    forget_set(said);
    return !may_come_to_something_else(sql) && add(std::move(said));
}

void SaidAgain::forget_prepared() {
    forget([](const Said& said) { return !said.prepares.empty(); }, said_.begin());
}

void SaidAgain::forget_insert_id() {
    forget([](const Said& said) { return said.targets == std::vector<std::string>{"insert_id"}; }, said_.begin());
}

bool SaidAgain::last_sets(std::string_view target) const {
    return !said_.empty() &&
           std::find(said_.back().targets.begin(), said_.back().targets.end(), target) != said_.back().targets.end();
}

bool SaidAgain::prepared(const std::string& sql, std::string_view database, bool succeeded) {
    const std::vector<Token> head = scan(sql, behind_from);
    const bool prepares = token_at(head, 0).is("PREPARE");
    if (!prepares && !token_at(head, 1).is("PREPARE")) return true;
    const std::string name = lower_case(token_at(head, prepares ? 1 : 2).text);
    forget([&](const Said& said) { return !said.prepares.empty() && said.prepares == name; }, said_.begin());
    if (!prepares || !succeeded || name.empty()) return true;
    const std::vector<Token> tokens = scan(sql, tokens_max);
    // Others than these may come to something else next time.
    const Tokens text = Tokens(tokens).subspan(std::min<std::size_t>(tokens.size(), behind_from));
    const bool same_text = std::all_of(text.begin(), text.end(), [](const Token& token) {
        return token.kind == Token::Kind::string || token.kind == Token::Kind::user_variable || token.symbol(';');
    });
    return same_text && add({sql, {}, true, name, std::string(database)});
}

std::vector<std::string> SaidAgain::settings() const {
    std::vector<std::string> out;
    for (const Said& said : said_) {
        if (said.prepares.empty()) out.push_back(said.sql);
    }
    return out;
}

std::vector<std::string> SaidAgain::everything() const {
    std::vector<std::string> out;
    for (const Said& said : said_) out.push_back(said.sql);
    return out;
}

bool SaidAgain::prepared_elsewhere(std::string_view database) const {
    return std::any_of(said_.begin(), said_.end(),
                       [&](const Said& said) { return !said.prepares.empty() && said.database != database; });
}

}  // namespace ddb::session
