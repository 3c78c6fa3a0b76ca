#include "node/storage/binlog_event.hpp"

#include <algorithm>
#include <array>

#include "node/storage/binlog_bytes.hpp"
#include "node/storage/metadata.hpp"

namespace ddb::storage {
namespace {

// Kinds of a Query event's status variables.
enum : std::uint8_t {
    status_flags2 = 0,
    status_sql_mode = 1,
    status_catalog_old = 2,
    status_auto_increment = 3,
    status_charset = 4,
    status_time_zone = 5,
    status_catalog = 6,
    status_lc_time_names = 7,
    status_charset_database = 8,
    status_table_map_for_update = 9,
    status_master_data_written = 10,
    status_invoker = 11,
    status_updated_databases = 12,
    status_microseconds = 13,
    // MySQL's
    status_explicit_timestamp = 16,
    status_ddl_xid = 17,
    status_default_utf8mb4 = 18,
    status_require_primary_key = 19,
    status_table_encryption = 20,
    // MariaDB's
    status_hires_now = 128,
    status_xid = 129,
    status_character_set_collations = 131,
};

constexpr std::uint64_t updated_databases_overflow = 254;  // "too many to name"

bool is_update(EventType type) {
    return type == EventType::update_rows || type == EventType::update_rows_v1;
}
bool is_rows_v2(EventType type) {
    return type == EventType::write_rows || type == EventType::update_rows || type == EventType::delete_rows;
}

std::uint16_t short_of(ByteCursor& in) {
    return static_cast<std::uint16_t>(in.number(2));
}

void skip_updated_databases(ByteCursor& in) {
    const std::uint64_t count = in.number(1);
    if (count == updated_databases_overflow) return;
    for (std::uint64_t i = 0; i < count && !in.failed(); ++i) {
        const std::size_t end = in.rest().find('\0');
        in.take(end == std::string_view::npos ? in.size() + 1 : end + 1);
    }
}

}  // namespace

bool EventView::is_rows() const {
    return (type >= EventType::write_rows_v1 && type <= EventType::delete_rows_v1) || is_rows_v2(type);
}

std::optional<EventView> parse_event(std::string_view raw) {
    if (raw.size() < event_header_bytes) return std::nullopt;
    ByteCursor in(raw);
    EventView event;
    event.timestamp = static_cast<std::uint32_t>(in.number(4));
    event.type = static_cast<EventType>(in.number(1));
    event.server_id = static_cast<std::uint32_t>(in.number(4));
    if (in.number(4) != raw.size()) return std::nullopt;
    event.end = static_cast<std::uint32_t>(in.number(4));
    event.flags = static_cast<std::uint16_t>(in.number(2));
    event.body = in.rest();
    event.raw = raw;
    return event;
}

namespace {

// As the header of the first event has it; `events` holds that much.
[[nodiscard]] std::size_t first_event_bytes(std::string_view events) {
    constexpr std::size_t offset_bytes = 9, length_bytes = 4;
    return static_cast<std::size_t>(ByteCursor(events.substr(offset_bytes, length_bytes)).number(length_bytes));
}

}  // namespace

std::size_t whole_events_bytes(std::string_view events) {
    std::size_t whole = 0;
    while (events.size() - whole >= event_header_bytes) {
        const std::size_t length = first_event_bytes(events.substr(whole));
        if (length < event_header_bytes) return events.size();
        if (length > events.size() - whole) break;
        whole += length;
    }
    return whole;
}

std::optional<EventView> EventReader::next() {
    if (rest_.empty() || malformed_) return std::nullopt;
    malformed_ = true;
    if (rest_.size() < event_header_bytes) return std::nullopt;
    const std::size_t length = first_event_bytes(rest_);
    if (length < event_header_bytes || length > rest_.size()) return std::nullopt;
    auto event = parse_event(rest_.substr(0, length));
    if (!event) return std::nullopt;
    malformed_ = false;
    rest_.remove_prefix(length);
    return event;
}

std::string_view rotated_to(const EventView& event) {
    constexpr std::size_t offset_bytes = 8;
    return event.body.size() > offset_bytes ? event.body.substr(offset_bytes) : std::string_view();
}

std::optional<std::vector<GtidListItem>> parse_gtid_list(const EventView& event) {
    constexpr std::uint64_t count_mask = 0x0fffffff;  // flags above
    constexpr std::size_t item_bytes = 16;
    ByteCursor in(event.body);
    const auto count = static_cast<std::size_t>(in.number(4) & count_mask);
    if (in.failed() || count > event.body.size() / item_bytes) return std::nullopt;
    std::vector<GtidListItem> out(count);
    for (GtidListItem& item : out) {
        item.domain = static_cast<std::uint32_t>(in.number(4));
        item.server_id = static_cast<std::uint32_t>(in.number(4));
        item.sequence = in.number(8);
    }
    if (in.failed()) return std::nullopt;
    return out;
}

std::optional<QueryEvent> parse_query(const EventView& event) {
    ByteCursor in(event.body);
    QueryEvent out;
    out.thread_id = static_cast<std::uint32_t>(in.number(4));
    in.take(4);  // execution time
    const auto database_bytes = static_cast<std::size_t>(in.number(1));
    out.error = short_of(in);
    const std::size_t status_bytes = short_of(in);
    out.status = in.take(status_bytes);
    out.database = in.take(database_bytes);
    in.take(1);
    if (in.failed()) return std::nullopt;
    out.text = in.rest();
    return out;
}

std::optional<StatementContext> parse_status(std::string_view status) {
    ByteCursor in(status);
    StatementContext out;
    while (in.size() > 0 && !in.failed()) {
        switch (in.number(1)) {
            case status_flags2:
                out.flags2 = static_cast<std::uint32_t>(in.number(4));
                break;
            case status_sql_mode:
                out.sql_mode = in.number(8);
                break;
            case status_catalog_old:
                in.counted_string();
                in.take(1);
                break;
            case status_auto_increment:
                out.auto_increment_increment = short_of(in);
                out.auto_increment_offset = short_of(in);
                break;
            case status_charset:
                out.character_set_client = short_of(in);
                out.collation_connection = short_of(in);
                out.collation_server = short_of(in);
                break;
            case status_time_zone:
                out.time_zone = std::string(in.counted_string());
                break;
            case status_catalog:
                in.counted_string();
                break;
            case status_lc_time_names:
                out.lc_time_names = short_of(in);
                break;
            case status_charset_database:
                out.collation_database = short_of(in);
                break;
            case status_table_map_for_update:
                in.take(8);
                break;
            case status_master_data_written:
                in.take(4);
                break;
            case status_invoker:
                out.invoker_user = in.counted_string();
                out.invoker_host = in.counted_string();
                break;
            case status_updated_databases:
                skip_updated_databases(in);
                break;
            case status_microseconds:
            case status_hires_now:
                out.microseconds = static_cast<std::uint32_t>(in.number(3));
                break;
            case status_explicit_timestamp:
                out.explicit_timestamp_defaults = static_cast<std::uint8_t>(in.number(1));
                break;
            case status_default_utf8mb4:
                out.default_collation_for_utf8mb4 = short_of(in);
                break;
            case status_require_primary_key:
                out.require_primary_key = static_cast<std::uint8_t>(in.number(1));
                break;
            case status_table_encryption:
                out.default_table_encryption = static_cast<std::uint8_t>(in.number(1));
                break;
            case status_character_set_collations:
                out.character_set_collations.emplace();
                for (auto count = in.number(1); count > 0 && !in.failed(); --count) {
                    in.take(2);  // the character set, by its own default
                    out.character_set_collations->push_back(short_of(in));
                }
                break;
            case status_ddl_xid:
            case status_xid:
                in.take(8);
                break;
            default:
                return std::nullopt;
        }
    }
    if (in.failed()) return std::nullopt;
    return out;
}

std::optional<TableMap> parse_table_map(const EventView& event) {
    ByteCursor in(event.body);
    TableMap out;
    out.table_id = in.number(6);
    in.take(2);
    out.database = in.counted_string();
    in.take(1);
    out.table = in.counted_string();
    in.take(1);
    out.types = in.take(static_cast<std::size_t>(in.packed()));
    out.metadata = in.take(static_cast<std::size_t>(in.packed()));
    if (in.failed()) return std::nullopt;
    return out;
}

TableOwner owner_of(const TableMap& table) {
    constexpr std::array<std::string_view, 5> statistics{"table_stats", "column_stats", "index_stats",
                                                         "innodb_table_stats", "innodb_index_stats"};
    if (table.database == meta_schema) return TableOwner::node;
    const bool counted = std::find(statistics.begin(), statistics.end(), table.table) != statistics.end();
    return table.database == "mysql" && counted ? TableOwner::statistics : TableOwner::all;
}

std::optional<RowsEvent> parse_rows(const EventView& event) {
    ByteCursor in(event.body);
    RowsEvent out;
    out.table_id = in.number(6);
    const std::uint64_t flags = in.number(2);
    out.statement_end = (flags & 1) != 0;
    out.unchecked_keys = (flags & 2) != 0;
    if (is_rows_v2(event.type)) {
        const std::uint64_t extra = in.number(2);  // counts itself
        if (extra < 2) return std::nullopt;
        in.take(static_cast<std::size_t>(extra - 2));
    }
    out.columns = in.packed();
    if (in.failed() || out.columns > 65535) return std::nullopt;
    const auto bitmap_bytes = static_cast<std::size_t>((out.columns + 7) / 8);
    out.present_before = in.take(bitmap_bytes);
    if (is_update(event.type)) out.present_after = in.take(bitmap_bytes);
    if (in.failed()) return std::nullopt;
    out.rows = in.rest();
    return out;
}

std::optional<std::uint8_t> checksum_algorithm(const EventView& event) {
    // The last five bytes are the algorithm and a checksum, present even when the algorithm is "none".
    if (event.body.size() < 5 + 57) return std::nullopt;
    return static_cast<std::uint8_t>(event.body[event.body.size() - 5]);
}

bool same_format(std::string_view a, std::string_view b) {
    constexpr std::size_t version_at = event_header_bytes;  // binlog version and server version: 2 + 50 bytes
    constexpr std::size_t layout_at = version_at + 2 + 50 + 4;
    if (a.size() != b.size() || a.size() < layout_at + 5) return false;
    // The time of creation and the checksum of the description itself say nothing about the layout.
    return a.substr(version_at, 52) == b.substr(version_at, 52) &&
           a.substr(layout_at, a.size() - layout_at - 4) == b.substr(layout_at, b.size() - layout_at - 4);
}

}  // namespace ddb::storage
