#include "node/storage/capture.hpp"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <utility>

#include "node/storage/calculation_settings.hpp"
#include "node/storage/metadata.hpp"
#include "node/storage/statement_runner.hpp"

namespace ddb::storage {
namespace {

bool starts_with_word(std::string_view text, std::string_view word) {
    return text.size() >= word.size() && text.substr(0, word.size()) == word;
}

// Texts with passwords in clear; better one too many.
bool holds_secret(std::string_view text) {
    constexpr std::array<std::string_view, 3> words = {"IDENTIFIED", "PASSWORD", "CREATE SERVER"};
    std::string upper(text.substr(0, std::min<std::size_t>(text.size(), 1u << 16)));
    std::transform(upper.begin(), upper.end(), upper.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
    return std::any_of(words.begin(), words.end(),
                       [&](std::string_view w) { return upper.find(w) != std::string::npos; });
}

// The Query events among them: a group's definitions without its rows.
std::string definitions_in(std::string_view events) {
    std::string out;
    EventReader reader(events);
    while (const auto event = reader.next()) {
        if (event->type == EventType::query) out.append(event->raw);
    }
    return out;
}

// The first part of X'…',X'…',1.
std::optional<std::string> gtrid_of(std::string_view text) {
    constexpr std::string_view begin = "X'";
    constexpr std::string_view digits = "0123456789abcdef";
    if (!text.starts_with(begin)) return std::nullopt;
    text.remove_prefix(begin.size());
    text = text.substr(0, text.find('\''));
    return text.find_first_not_of(digits) == std::string_view::npos ? from_hex(text) : std::nullopt;
}

Error unreadable(const char* what) {
    return fail(ErrorCode::corrupt, std::string("binary log: malformed ") + what + " event");
}

}  // namespace

Status GroupAssembler::begin(const EventView& event) {
    const auto gtid = parse_gtid(event);
    if (!gtid) return unreadable("GTID");
    if (group_.open) return fail(ErrorCode::corrupt, "binary log: a group begins inside another one");
    group_ = Group{};
    rolled_back_ = false;
    group_.open = true;
    group_.place.file = file_;
    group_.place.begin = event.end - static_cast<std::uint32_t>(event.raw.size());
    group_.skipped = gtid->completed_xa;
    group_.standalone = gtid->standalone;
    group_.kind_open = !gtid->says_kind;
    Captured& out = group_.out;
    out.epoch = epoch_;
    out.ddl = gtid->ddl;
    out.gtid = gtid->text;
    if (gtid->prepared_xa) {
        out.kind = Captured::Kind::xa;
        out.xid = gtid->xid;
    } else if (gtid->statement) {
        out.kind = Captured::Kind::statement;
        out.sequence = first_sequence(*gtid->statement);
    }
    return ok();
}

// The first Query event tells what a group is where its GTID event does not.
Status GroupAssembler::take_kind(std::string_view text) {
    group_.kind_open = false;
    constexpr std::string_view start = "XA START ";
    if (starts_with_word(text, start)) {
        auto xid = gtrid_of(text.substr(start.size()));
        if (!xid) return unreadable("XA START");
        group_.out.kind = Captured::Kind::xa;
        group_.out.xid = std::move(*xid);
    } else if (starts_with_word(text, "XA COMMIT ") || starts_with_word(text, "XA ROLLBACK ")) {
        group_.skipped = true;
    } else if (text != "BEGIN") {
        group_.standalone = true;
        group_.out.ddl = true;
    }
    return ok();
}

// Rows that outgrow the memory given to a group are dropped here and read again from their place.
void GroupAssembler::add_event(const EventView& event) {
    if (const std::string settings = std::exchange(group_.settings, {}); !settings.empty())
        add_raw(settings_event(settings));
    add_raw(event.raw);
}

void GroupAssembler::add_raw(std::string_view raw) {
    Captured& out = group_.out;
    group_.place.largest_event_bytes = std::max(group_.place.largest_event_bytes, raw.size());
    if (!out.place && out.events.size() + raw.size() > bytes_in_memory_) {
        out.place.emplace();
        out.events = definitions_in(out.events);
    }
    if (!out.place) out.events.append(raw);
}

void GroupAssembler::roll_back_to(std::string_view name, std::uint32_t end) {
    auto& points = group_.savepoints;
    const auto found = std::find_if(points.rbegin(), points.rend(), [&](const Savepoint& p) { return p.name == name; });
    if (found == points.rend()) return;
    if (!group_.out.place) group_.out.events.resize(found->bytes);
    group_.place.undone.emplace_back(found->end, end);
    group_.out.row_events = found->row_events;
    group_.out.rows = found->rows;
    points.erase(found.base(), points.end());
}

Status GroupAssembler::add_query(const EventView& event, bool& ends) {
    const auto query = parse_query(event);
    if (!query) return unreadable("Query");
    Captured& out = group_.out;
    out.thread_id = query->thread_id;
    const std::string_view text = query->text;
    if (group_.kind_open) {
        if (auto status = take_kind(text); !status.ok()) return status;
    }
    if (text == "COMMIT" || text == "ROLLBACK") {
        ends = true;
        rolled_back_ = text == "ROLLBACK";
        return ok();
    }
    ends = group_.standalone;
    if (text == "BEGIN" || starts_with_word(text, "XA ")) {
        ends = group_.skipped;
        return ok();
    }
    // Savepoints are logged only where something outside the transaction was written in between, and then with the
    // rows that were undone: these must not travel.
    constexpr std::string_view savepoint = "SAVEPOINT ";
    constexpr std::string_view rollback_to = "ROLLBACK TO ";
    if (!group_.standalone && starts_with_word(text, savepoint)) {
        group_.savepoints.push_back(
            {std::string(text.substr(savepoint.size())), out.events.size(), event.end, out.row_events, out.rows});
        return ok();
    }
    if (!group_.standalone && starts_with_word(text, rollback_to)) {
        roll_back_to(text.substr(rollback_to.size()), event.end);
        return ok();
    }
    if (out.kind == Captured::Kind::xa) {
        out.logged_as_text = true;
        return ok();
    }
    out.ddl = true;
    out.events.append(event.raw);
    if (!out.statement.sql.empty()) out.statement.sql += ";\n";
    out.statement.sql.append(text);
    out.statement.database = query->database;
    out.statement.expected_error = query->error;
    out.statement.secret = out.statement.secret || holds_secret(text);
    return ok();
}

Status GroupAssembler::add_table_map(const EventView& event) {
    const auto table = parse_table_map(event);
    if (!table) return unreadable("Table_map");
    if (notes_settings(*table)) {
        group_.settings_tables.push_back(table->table_id);
        return ok();
    }
    const TableOwner owner = owner_of(*table);
    if (owner != TableOwner::all) {
        (owner == TableOwner::node ? group_.own_tables : group_.statistics_tables).push_back(table->table_id);
        return ok();
    }
    group_.maps.push_back({table->table_id, std::string(event.raw)});
    add_event(event);
    return ok();
}

Status GroupAssembler::add_rows(const EventView& event) {
    const auto rows = parse_rows(event);
    if (!rows) return unreadable("rows");
    const auto is_one_of = [&](const std::vector<std::uint64_t>& tables) {
        return std::find(tables.begin(), tables.end(), rows->table_id) != tables.end();
    };
    if (is_one_of(group_.settings_tables)) {
        if (auto sql = noted_settings_sql(event, *rows); !sql.empty()) group_.settings = std::move(sql);
        return ok();
    }
    if (is_one_of(group_.own_tables)) return ok();
    Captured& out = group_.out;
    if (is_one_of(group_.statistics_tables)) {
        out.changes_statistics = true;
        return ok();
    }
    std::optional<std::uint64_t> count;
    for (const auto& map : group_.maps) {
        if (map.table_id != rows->table_id) continue;
        const auto map_event = parse_event(map.event);
        const auto table = map_event ? parse_table_map(*map_event) : std::nullopt;
        if (table) count = count_rows(*table, *rows);
        if (table && table->database == "mysql") out.server_tables = true;
        break;
    }
    // Maps are repeated in every statement.
    if (rows->statement_end) group_.maps.clear();
    ++out.row_events;
    out.unchecked_keys |= rows->unchecked_keys;
    out.rows += count.value_or(1);
    add_event(event);
    return ok();
}

Captured GroupAssembler::finish(bool rolled_back, std::uint32_t end) {
    Captured out = std::move(group_.out);
    if (out.place) {
        group_.place.end = end;
        group_.place.row_events = out.row_events;
        out.place = std::move(group_.place);
    }
    group_ = Group{};
    if (out.kind == Captured::Kind::statement) {
        // A failed CREATE … SELECT leaves its statements but not its rows.
        if (rolled_back) {
            out.events = definitions_in(out.events);
            out.place.reset();
            out.rows = 0;
            out.row_events = 0;
        }
        out.statement.events = std::move(out.events);
        out.events.clear();
    } else if (rolled_back) {
        // Logged all the same, because a temporary table was made in between: its rows were undone and must not travel.
        out.events.clear();
        out.place.reset();
        out.rows = 0;
        out.row_events = 0;
    }
    // Some groups are flagged as definitions and hold none: the row of INSERT INTO a sequence, temporary tables.
    if (out.kind == Captured::Kind::other && out.statement.sql.empty()) out.ddl = false;
    return out;
}

Result<std::optional<Captured>> GroupAssembler::feed(const EventView& event) {
    bool ends = false;
    Status status = ok();
    switch (event.type) {
        case EventType::gtid:
        case EventType::mysql_gtid:
        case EventType::mysql_anonymous_gtid:
        case EventType::mysql_tagged_gtid:
            status = begin(event);
            break;
        case EventType::query:
            if (!group_.open) return fail(ErrorCode::corrupt, "binary log: a Query event outside of a group");
            status = add_query(event, ends);
            break;
        case EventType::table_map:
            status = add_table_map(event);
            break;
        case EventType::xid:
        case EventType::xa_prepare:
            ends = true;
            break;
        case EventType::format_description:
            if (!same_format(event.raw, format_description_)) {
                return fail(ErrorCode::corrupt, "the server's event format changed during the tenure");
            }
            break;
        case EventType::rotate:
            file_ = rotated_to(event);
            break;
        case EventType::stop:
        case EventType::heartbeat:
        case EventType::annotate_rows:
        case EventType::checkpoint:
        case EventType::gtid_list:
        case EventType::mysql_previous_gtids:
        case EventType::start_encryption:
            break;
        case EventType::integer_variable:
        case EventType::random_seed:
        case EventType::user_variable:
            // Context of a statement. A definition may carry it without using it (a view over a table with a DEFAULT
            // rand()); one whose result depends on it is refused before it runs.
            break;
        default:
            if (event.is_rows()) {
                status = add_rows(event);
            } else if ((event.flags & event_flag_ignorable) == 0) {
                return fail(ErrorCode::corrupt, "binary log: event of type " +
                                                    std::to_string(static_cast<unsigned>(event.type)) +
                                                    " cannot be replicated");
            }
    }
    if (!status.ok()) return status.error();
    if (!ends || !group_.open) return std::optional<Captured>();
    if (group_.skipped) {
        group_ = Group{};
        return std::optional<Captured>();
    }
    Captured out = finish(rolled_back_, event.end);
    if (out.place && out.place->end <= out.place->begin) {
        return fail(ErrorCode::corrupt,
                    "a large group lies across 4 GiB of one binary log: its rows cannot be found again");
    }
    return std::optional<Captured>(std::move(out));
}

Result<std::unique_ptr<Capture>> Capture::start(const Options& options, OnGroup on_group, OnEnd on_end) {
    auto stream = BinlogStream::open(options.connection, options.from, BinlogStream::End::wait);
    if (!stream.ok()) return stream.error();
    return std::unique_ptr<Capture>(new Capture(std::move(*stream), options, std::move(on_group), std::move(on_end)));
}

Capture::Capture(std::unique_ptr<BinlogStream> stream, const Options& options, OnGroup on_group, OnEnd on_end)
    : stream_(std::move(stream)),
      assembler_(options.epoch, options.format_description, options.from.file),
      sequence_rows_(options.sequences_of),
      on_group_(std::move(on_group)),
      on_end_(std::move(on_end)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

Capture::~Capture() {
    thread_.request_stop();
    stream_->interrupt();
    thread_.join();
}

void Capture::run(const std::stop_token& stop) {
    pthread_setname_np(pthread_self(), "capture");
    while (!stop.stop_requested()) {
        const auto event = stream_->next();
        if (stop.stop_requested()) return;
        if (!event.ok()) {
            on_end_(event.error(), event.error().code == ErrorCode::corrupt);
            return;
        }
        if (!*event) {
            on_end_(fail(ErrorCode::io, "the server ended the stream"), false);
            return;
        }
        auto group = assembler_.feed(**event);
        if (!group.ok()) {
            on_end_(group.error(), true);
            return;
        }
        if (!*group) continue;
        if (sequence_rows_) sequence_rows_->add_to(**group);
        on_group_(std::move(**group));
    }
}

}  // namespace ddb::storage
