#include "node/storage/digester.hpp"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <map>
#include <set>
#include <span>

#include "node/storage/metadata.hpp"
#include "node/storage/server_dialect.hpp"
#include "schemas/digest.hpp"

namespace ddb::storage {
namespace {

constexpr std::uint64_t chunk_rows = 2000;
constexpr std::size_t read_bytes = 256u << 10;
constexpr int reply_timeout_ms = 60'000;
constexpr std::size_t all_chunks_max = 1'000'000;

// However the server counts its definitions' changes.
Result<std::string> definitions_seen(Connection& connection) {
    const auto rows = connection.rows(connection.dialect().definitions_counted_sql());
    if (!rows.ok()) return rows.error();
    std::string out;
    for (const auto& row : *rows) {
        for (const auto& value : row) out += value.value_or("") + " ";
    }
    return out;
}

// The next number differs between servers for good reasons: rolled back rows take numbers on the coordinator only.
std::string without_next_number(std::string definition) {
    constexpr std::string_view word = " AUTO_INCREMENT=";
    const auto at = definition.rfind(word);
    if (at == std::string::npos || definition.find('\n', at) != std::string::npos) return definition;
    auto end = at + word.size();
    while (end < definition.size() && definition[end] >= '0' && definition[end] <= '9') ++end;
    return definition.erase(at, end - at);
}

// MySQL's log spells out which collation a constant's column has in CREATE ... SELECT, and its SHOW CREATE tells
// whether that, or any other one, was spelt out: on the coordinator it was not, and where what is shown was loaded all
// are. So a charset's default collation is left out, and the charset in front of another one.
std::string without_default_collations(std::string definition, const std::set<std::string, std::less<>>& defaults) {
    constexpr std::string_view before = " CHARACTER SET ";
    constexpr std::string_view word = " COLLATE ";
    constexpr std::string_view name_bytes = "abcdefghijklmnopqrstuvwxyz0123456789_";
    for (auto at = definition.find(word); at != std::string::npos; at = definition.find(word, at)) {
        const auto begin = at + word.size();
        const auto end = std::min(definition.find_first_not_of(name_bytes, begin), definition.size());
        const auto charset = definition.rfind(before, at);
        const bool behind_charset =
            charset != std::string::npos && definition.find_first_not_of(name_bytes, charset + before.size()) == at;
        if (!behind_charset) {
            at = end;
        } else if (defaults.contains(std::string_view(definition).substr(begin, end - begin))) {
            definition.erase(at, end - at);
        } else {
            definition.erase(charset, at - charset);
            at = end - (at - charset);
        }
    }
    return definition;
}

std::uint64_t first_bytes(const Digest& digest) {
    std::uint64_t out = 0;
    for (int i = 7; i >= 0; --i) out = out << 8 | digest.bytes[static_cast<std::size_t>(i)];
    return out;
}

// Parts of an index: column, length where it is not all of it, type, name of the index, whether it may be NULL.
bool orders_all_rows(std::span<const Connection::Row> parts, bool whole) {
    if (parts.front().at(3) == "PRIMARY") return true;
    return std::all_of(parts.begin(), parts.end(),
                       [&](const auto& part) { return (!part.at(1) || !whole) && part.at(4) != "YES"; });
}

// Of one table: it was dropped or altered since the snapshot.
bool about_definition(const Error& error) {
    constexpr std::array<std::uint16_t, 5> codes = {1412, 1146, 1049, 1054, 1176};
    return std::find(codes.begin(), codes.end(), error.mysql_code) != codes.end();
}

}  // namespace

// Only types whose values can be written as a literal that compares exactly as the index is ordered.
std::optional<Digester::Literal> Digester::literal_of(const std::string& type) {
    static const std::map<std::string, Literal> known = {
        {"tinyint", Literal::number}, {"smallint", Literal::number}, {"mediumint", Literal::number},
        {"int", Literal::number},     {"bigint", Literal::number},   {"decimal", Literal::number},
        {"year", Literal::number},    {"char", Literal::text},       {"varchar", Literal::text},
        {"date", Literal::text},      {"datetime", Literal::text},   {"timestamp", Literal::text},
        {"time", Literal::text},      {"binary", Literal::bytes},    {"varbinary", Literal::bytes}};
    const auto found = known.find(type);
    return found == known.end() ? std::nullopt : std::optional(found->second);
}

Result<std::unique_ptr<Digester>> Digester::begin(const ConnectOptions& service, Done done) {
    ConnectOptions options = service;
    options.read_timeout_ms = reply_timeout_ms;
    options.program_name = "ddb audit";
    auto connection = Connection::open(options);
    if (!connection.ok()) return connection.error();
    const std::array<std::string, 3> opening = {(*connection)->dialect().audit_session_sql(),
                                                "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
                                                "SAVEPOINT chunk"};
    if (auto opened = (*connection)->execute_all(opening); !opened.ok()) return opened.error();
    auto seen = definitions_seen(**connection);
    if (!seen.ok()) return seen.error();
    auto rows = (*connection)
                    ->rows(
                        "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type IN ('BASE "
                        "TABLE','SYSTEM VERSIONED') AND table_schema NOT IN ('mysql','information_schema',"
                        "'performance_schema','sys','ddb_meta') ORDER BY BINARY table_schema, BINARY table_name "
                        "LIMIT " +
                        std::to_string(audit_tables_max + 1));
    if (!rows.ok()) return rows.error();
    if (rows->size() > audit_tables_max)
        return fail(ErrorCode::overloaded, "more than " + std::to_string(audit_tables_max) + " tables");
    auto defaults =
        (*connection)->rows("SELECT collation_name FROM information_schema.collations WHERE is_default = 'Yes'");
    if (!defaults.ok()) return defaults.error();
    std::set<std::string, std::less<>> default_collations;
    for (auto& row : *defaults) default_collations.insert(row.at(0).value_or(""));
    std::vector<Name> names;
    for (auto& row : *rows) names.push_back({row.at(0).value_or(""), row.at(1).value_or("")});
    return std::unique_ptr<Digester>(new Digester(std::move(*connection), std::move(names), std::move(*seen),
                                                  std::move(default_collations), std::move(done)));
}

Digester::Digester(std::unique_ptr<Connection> connection, std::vector<Name> names, std::string definitions_seen,
                   std::set<std::string, std::less<>> default_collations, Done done)
    : connection_(std::move(connection)),
      names_(std::move(names)),
      definitions_seen_(std::move(definitions_seen)),
      default_collations_(std::move(default_collations)),
      done_(std::move(done)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

Digester::~Digester() = default;

void Digester::run(const std::stop_token& stop) {
    pthread_setname_np(pthread_self(), "audit");
    auto tables = digest_all(stop);
    connection_.reset();
    ended_ = true;
    done_(std::move(tables));
}

Result<std::vector<AuditedTable>> Digester::digest_all(const std::stop_token& stop) {
    std::vector<AuditedTable> tables;
    std::size_t chunks = 0;
    for (const Name& name : names_) {
        AuditedTable& table = tables.emplace_back();
        table.name = quoted_name(name.database) + "." + quoted_name(name.table);
        const Status status = digest(name, table, stop);
        if (stop.stop_requested()) return fail(ErrorCode::shutting_down, "stopped");
        // Releases what the table's metadata was locked with.
        if (auto back = connection_->execute("ROLLBACK TO SAVEPOINT chunk"); !back.ok()) return back.error();
        if (!status.ok()) {
            if (status.error().code != ErrorCode::sql) return status.error();
            table.left_out =
                about_definition(status.error()) ? "its definition changed meanwhile" : status.error().message;
            table.definition = Digest{};
            table.rows = 0;
            table.chunks.clear();
        }
        auto seen = definitions_seen(*connection_);
        if (!seen.ok()) return seen.error();
        table.unsteady = *seen != definitions_seen_;
        chunks += table.chunks.size();
        if (chunks > all_chunks_max)
            return fail(ErrorCode::overloaded,
                        "more than " + std::to_string(all_chunks_max * chunk_rows) + " rows in this database");
    }
    return tables;
}

Status Digester::digest(const Name& name, AuditedTable& table, const std::stop_token& stop) {
    auto definition = connection_->rows("SHOW CREATE TABLE " + table.name);
    if (!definition.ok()) return definition.error();
    if (definition->empty() || definition->front().size() < 2) return fail(ErrorCode::sql, "no definition is shown");
    table.definition = blake2b(
        without_default_collations(without_next_number(definition->front()[1].value_or("")), default_collations_));
    auto columns = columns_of(name);
    if (!columns.ok()) return columns.error();
    auto key = key_of(name);
    if (!key.ok()) return key.error();
    return digest_chunks(table.name + " FORCE INDEX (" + key->index + ")", *columns, *key, table, stop);
}

Status Digester::digest_chunks(const std::string& source, const std::string& columns, const Key& key,
                               AuditedTable& table, const std::stop_token& stop) {
    const std::string head = "SELECT " + columns + " FROM " + source;
    if (key.columns.empty()) {
        auto count = digest_chunk(head + " ORDER BY " + key.order, table, stop);
        return count.ok() ? ok() : Status(count.error());
    }
    std::string where;
    for (;;) {
        const std::string order = where + " ORDER BY " + key.order;
        const bool rest = table.chunks.size() + 1 >= audit_chunks_max;
        auto count = digest_chunk(head + order + (rest ? "" : " LIMIT " + std::to_string(chunk_rows)), table, stop);
        if (!count.ok()) return count.error();
        if (*count < chunk_rows || rest || stop.stop_requested()) return ok();
        auto last = connection_->rows("SELECT " + key.order + " FROM " + source + order + " LIMIT " +
                                      std::to_string(chunk_rows - 1) + ",1");
        if (!last.ok()) return last.error();
        if (last->empty()) return ok();
        where = behind(key, last->front());
        // A definition waits for one chunk at most.
        if (auto back = connection_->execute("ROLLBACK TO SAVEPOINT chunk"); !back.ok()) return back.error();
    }
}

Result<std::uint64_t> Digester::digest_chunk(const std::string& sql, AuditedTable& table, const std::stop_token& stop) {
    if (auto started = connection_->start(sql); !started.ok()) return started.error();
    Digest digest;
    std::uint64_t rows = 0;
    std::string bytes;
    for (;;) {
        // Chained over pieces that are cut alike everywhere: by bytes, whatever the rows are.
        auto count = connection_->next_rows(bytes, read_bytes);
        if (!count.ok()) return count.error();
        if (*count == 0) break;
        rows += *count;
        bytes.append(reinterpret_cast<const char*>(digest.bytes.data()), digest.bytes.size());
        digest = blake2b(bytes);
        bytes.clear();
        if (stop.stop_requested()) return fail(ErrorCode::shutting_down, "stopped");
    }
    table.rows += rows;
    if (rows > 0) table.chunks.push_back(first_bytes(digest));
    return rows;
}

std::string Digester::is_table(const Name& name, const std::string& of) const {
    return of + "table_schema='" + connection_->escape(name.database) + "' AND " + of + "table_name='" +
           connection_->escape(name.table) + "'";
}

Result<std::string> Digester::columns_of(const Name& name) {
    auto rows = connection_->rows("SELECT column_name FROM information_schema.columns WHERE " + is_table(name) +
                                  " ORDER BY ordinal_position");
    if (!rows.ok()) return rows.error();
    std::string out;
    for (const auto& row : *rows) out += (out.empty() ? "" : ",") + quoted_name(row.at(0).value_or(""));
    if (out.empty()) return Error{ErrorCode::sql, "it is gone", 1146, "42S02"};
    return out;
}

// The primary key, or a UNIQUE one without NULL, of whole columns where there is such a one: servers ask for no more of
// a table. All nodes choose alike, as their definitions are compared too. Both views are told which table it is: one
// that learns it by the join alone opens all tables of the server.
Result<Digester::Key> Digester::key_of(const Name& name) {
    auto rows = connection_->rows(
        "SELECT s.column_name, s.sub_part, c.data_type, s.index_name, s.nullable FROM information_schema.statistics s "
        "JOIN information_schema.columns c ON c.column_name=s.column_name AND " +
        is_table(name, "c.") + " WHERE " + is_table(name, "s.") +
        " AND s.non_unique=0 ORDER BY s.index_name<>'PRIMARY', BINARY s.index_name, s.seq_in_index");
    if (!rows.ok()) return rows.error();
    for (const bool whole : {true, false}) {
        std::span<const Connection::Row> rest(*rows);
        while (!rest.empty()) {
            const auto end = std::find_if(rest.begin(), rest.end(),
                                          [&](const auto& part) { return part.at(3) != rest.front().at(3); });
            const auto parts = rest.first(static_cast<std::size_t>(end - rest.begin()));
            if (orders_all_rows(parts, whole)) return key_of_parts(parts);
            rest = rest.subspan(parts.size());
        }
    }
    return fail(ErrorCode::sql, "it has no primary key");
}

Digester::Key Digester::key_of_parts(std::span<const Connection::Row> parts) {
    Key key;
    key.index = quoted_name(parts.front().at(3).value_or(""));
    bool continued = true;
    for (const auto& part : parts) {
        key.columns.push_back(quoted_name(part.at(0).value_or("")));
        const auto literal = literal_of(part.at(2).value_or(""));
        key.literals.push_back(literal.value_or(Literal::text));
        // Whole values can be equal, to a collation, whose first characters are not.
        const std::string part_of = part.at(1) ? "LEFT(" + key.columns.back() + "," + *part.at(1) + ")" : "";
        key.order += (key.order.empty() ? "" : ",") + (part_of.empty() ? key.columns.back() : part_of);
        continued = continued && !part.at(1) && literal;
    }
    if (!continued) key.columns.clear();
    return key;
}

// a >= x AND (a > x OR (b >= y AND (b > y OR …))): the server finds the range by its first part.
std::string Digester::behind(const Key& key, const Connection::Row& last) const {
    const auto literal = [&](std::size_t i) {
        const std::string value = last.at(i).value_or("");
        if (key.literals[i] == Literal::number) return value;
        return key.literals[i] == Literal::bytes ? to_hex_literal(value) : "'" + connection_->escape(value) + "'";
    };
    std::string out;
    for (std::size_t i = key.columns.size(); i-- > 0;) {
        const std::string& column = key.columns[i];
        const std::string value = literal(i);
        out = i + 1 == key.columns.size()
                  ? column + ">" + value
                  : column + ">=" + value + " AND (" + column + ">" + value + " OR (" + out + "))";
    }
    return " WHERE " + out;
}

}  // namespace ddb::storage
