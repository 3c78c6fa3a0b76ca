#include "node/storage/changed_tables.hpp"

#include <algorithm>

#include "node/storage/binlog_event.hpp"

namespace ddb::storage {

std::optional<std::vector<ChangedTable>> changed_tables(std::string_view events) {
    std::vector<ChangedTable> tables;
    EventReader reader(events);
    while (const auto event = reader.next()) {
        if (event->type != EventType::table_map) continue;
        const auto map = parse_table_map(*event);
        if (!map) return std::nullopt;
        tables.push_back({std::string(map->database), std::string(map->table)});
    }
    return reader.malformed() ? std::nullopt : std::optional(std::move(tables));
}

std::string say_tables_of(std::span<const Entry> entries) {
    constexpr std::size_t said_max = 8;
    std::vector<ChangedTable> said;
    bool more = false;
    for (const Entry& entry : entries) {
        if (entry.kind != EntryKind::rows) continue;
        const auto tables = changed_tables(entry.payload.view());
        for (const ChangedTable& table : tables.value_or(std::vector<ChangedTable>())) {
            if (std::find(said.begin(), said.end(), table) != said.end()) continue;
            if (said.size() < said_max) {
                said.push_back(table);
            } else {
                more = true;
            }
        }
    }
    std::string out;
    for (const ChangedTable& table : said) out += (out.empty() ? "; of " : ", ") + table.database + "." + table.table;
    return more ? out + " and others" : out;
}

}  // namespace ddb::storage
