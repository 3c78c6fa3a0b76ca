#include "node/storage/sequence_rows.hpp"

#include <charconv>

#include "node/storage/binlog_event.hpp"
#include "node/storage/changed_tables.hpp"
#include "node/storage/dump_sequences.hpp"
#include "node/storage/metadata.hpp"
#include "node/storage/server_dialect.hpp"

namespace ddb::storage {
namespace {

constexpr std::size_t cycle_option = 6;  // the only column that is no BIGINT
constexpr char bigint_type = 8;
constexpr char tinyint_type = 1;
constexpr std::size_t tables_known_max = 10'000;

void put(std::string& out, std::uint64_t value, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i) out += static_cast<char>((value >> (8 * i)) & 0xFF);
}

void put_name(std::string& out, const std::string& name) {
    put(out, name.size(), 1);
    out += name;
    out += '\0';
}

// Timestamp and server are those of the other event.
[[nodiscard]] std::string event_of(std::string_view header, EventType type, const std::string& body) {
    constexpr std::size_t timestamp_bytes = 4;
    constexpr std::size_t server_at = 5;
    std::string out(header.substr(0, timestamp_bytes));
    put(out, static_cast<std::uint8_t>(type), 1);
    out.append(header.substr(server_at, 4));
    put(out, event_header_bytes + body.size(), 4);
    put(out, 0, 4 + 2);  // no place in a log, no flags
    return out + body;
}

}  // namespace

std::string sequence_row_events(std::string_view header, const SequenceName& name, const SequenceRow& row) {
    constexpr std::size_t name_bytes_max = 255;
    if (header.size() < event_header_bytes || row.size() != sequence_columns) return {};
    if (name.first.size() > name_bytes_max || name.second.size() > name_bytes_max) return {};
    constexpr std::uint64_t table_id = 1;  // maps of other tables end with their statement
    constexpr std::uint64_t exact_bits = 1;
    constexpr std::uint64_t ends_statement = 1;
    std::string map;
    put(map, table_id, 6);
    put(map, exact_bits, 2);
    put_name(map, name.first);
    put_name(map, name.second);
    put(map, sequence_columns, 1);
    for (std::size_t i = 0; i < sequence_columns; ++i) map += i == cycle_option ? tinyint_type : bigint_type;
    put(map, 0, 1);  // no bytes about types
    put(map, 0, 1);  // no column may be NULL
    std::string rows;
    put(rows, table_id, 6);
    put(rows, ends_statement, 2);
    put(rows, sequence_columns, 1);
    put(rows, 0xFF, 1);  // all columns
    put(rows, 0, 1);     // none is NULL
    for (std::size_t i = 0; i < sequence_columns; ++i)
        put(rows, static_cast<std::uint64_t>(row[i]), i == cycle_option ? 1 : 8);
    return event_of(header, EventType::table_map, map) + event_of(header, EventType::write_rows_v1, rows);
}

void SequenceRows::add_to(Captured& group) {
    // It may change what defaults there are.
    if (group.ddl || group.kind == Captured::Kind::statement) {
        known_.clear();
        return;
    }
    if (group.place || group.events.size() < event_header_bytes) return;
    const auto tables = changed_tables(group.events);
    if (!tables) return;
    std::set<SequenceName> sequences;
    for (const ChangedTable& table : *tables) {
        if (const auto* found = sequences_of({table.database, table.table}))
            sequences.insert(found->begin(), found->end());
    }
    for (const SequenceName& sequence : sequences) {
        const std::string events = sequence_row_events(group.events, sequence, row_of(sequence));
        group.events += events;
        if (!events.empty()) ++group.row_events;
    }
}

// nullptr: not known.
const std::set<SequenceName>* SequenceRows::sequences_of(const SequenceName& table) {
    if (const auto it = known_.find(table); it != known_.end()) return &it->second;
    if (!ensure_connection()) return nullptr;
    const std::string of_table =
        " WHERE table_schema=" + to_hex_literal(table.first) + " AND table_name=" + to_hex_literal(table.second);
    const auto defaults = connection_->rows("SELECT column_default FROM information_schema.columns" + of_table +
                                            " AND column_default LIKE '%nextval(`%'");
    if (!defaults.ok()) return nullptr;
    // It went on itself: of two statements the one that took the later numbers may be logged first.
    const auto itself =
        connection_->rows("SELECT 1 FROM information_schema.tables" + of_table + " AND table_type='SEQUENCE'");
    if (!itself.ok()) return nullptr;
    std::set<SequenceName> out;
    if (!itself->empty()) out.insert(table);
    for (const auto& row : *defaults) out.merge(sequences_in(row.at(0).value_or("")));
    std::erase_if(out, [&](const SequenceName& sequence) { return !has_known_columns(sequence); });
    if (known_.size() >= tables_known_max) known_.clear();
    return &known_.emplace(table, std::move(out)).first->second;
}

// Later servers have sequences of other types: their rows are written otherwise.
bool SequenceRows::has_known_columns(const SequenceName& sequence) {
    const auto types = connection_->rows(
        "SELECT data_type FROM information_schema.columns WHERE table_schema=" + to_hex_literal(sequence.first) +
        " AND table_name=" + to_hex_literal(sequence.second) + " ORDER BY ordinal_position");
    if (!types.ok() || types->size() != sequence_columns) return false;
    for (std::size_t i = 0; i < sequence_columns; ++i) {
        if (types->at(i).at(0) != (i == cycle_option ? "tinyint" : "bigint")) return false;
    }
    return true;
}

// Empty: it is not to be seen.
SequenceRow SequenceRows::row_of(const SequenceName& sequence) {
    if (!ensure_connection()) return {};
    const auto rows =
        connection_->rows("SELECT * FROM " + quoted_name(sequence.first) + "." + quoted_name(sequence.second));
    if (!rows.ok() || rows->size() != 1) return {};
    SequenceRow out;
    for (const auto& column : rows->front()) {
        const std::string text = column.value_or("");
        std::int64_t value = 0;
        if (std::from_chars(text.data(), text.data() + text.size(), value).ptr != text.data() + text.size()) return {};
        out.push_back(value);
    }
    return out;
}

bool SequenceRows::ensure_connection() {
    if (connection_ != nullptr && !connection_->broken()) return true;
    auto opened = open_service(service_);
    if (!opened.ok()) return false;
    // What holds the table's lock may be waiting for this group.
    if (!(*opened)->execute("SET SESSION lock_wait_timeout=0").ok()) return false;
    connection_ = std::move(*opened);
    return true;
}

}  // namespace ddb::storage
