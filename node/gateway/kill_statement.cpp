#include "node/gateway/kill_statement.hpp"

#include <charconv>

#include "node/session/sql_scan.hpp"

namespace ddb::gateway {

std::optional<KillRequest> parse_kill(std::string_view sql, std::uint64_t own_id) {
    constexpr std::size_t words_max = 8;
    if (!session::SqlScanner(sql).next().is("KILL")) return std::nullopt;
    const auto tokens = session::scan(sql, words_max);
    std::size_t at = 1;
    const auto takes = [&](std::string_view word) {
        const bool there = at < tokens.size() && tokens[at].is(word);
        at += there ? 1 : 0;
        return there;
    };
    if (!takes("HARD")) (void)takes("SOFT");
    KillRequest out;
    out.query_only = takes("QUERY");
    if (!out.query_only) (void)takes("CONNECTION");
    if (at >= tokens.size()) return std::nullopt;
    if (at + 2 < tokens.size() && tokens[at].is("CONNECTION_ID") && tokens[at + 1].symbol('(') &&
        tokens[at + 2].symbol(')')) {
        out.connection_id = own_id;
        at += 2;
    } else {
        if (tokens[at].kind != session::Token::Kind::number) return std::nullopt;
        const std::string_view digits = tokens[at].text;
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out.connection_id);
        if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
    }
    for (++at; at < tokens.size(); ++at) {
        if (!tokens[at].symbol(';')) return std::nullopt;
    }
    return out;
}

}  // namespace ddb::gateway
