// json and ndjson. Written by hand so that results of any size stream through.
#include <array>
#include <cstdio>
#include <set>

#include "client/format_kinds.hpp"
#include "client/text_tools.hpp"

namespace ddb::client {
namespace {

// ZEROFILL pads integers, which JSON does not allow.
std::string_view without_padding(std::string_view digits) {
    while (digits.size() > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9') digits.remove_prefix(1);
    return digits;
}

void append_value(std::string& out, const Cell& cell, ValueKind kind) {
    if (!cell) {
        out += "null";
        return;
    }
    switch (kind) {
        case ValueKind::binary:
            out += '"' + base64(*cell) + '"';
            return;
        case ValueKind::bit:
            out += bit_number(*cell);
            return;
        case ValueKind::integer:
        case ValueKind::floating: {
            const std::string_view number = without_padding(*cell);
            out += is_json_number(number) ? std::string(number) : json_string(*cell);
            return;
        }
        case ValueKind::decimal:
        case ValueKind::text:
            out += json_string(*cell);
            return;
    }
}

std::string error_json(const std::optional<Error>& error) {
    if (!error) return "null";
    return "{\"code\":" + std::to_string(error_number(*error)) + ",\"sqlstate\":" + json_string(error_state(*error)) +
           ",\"message\":" + json_string(error->message) + "}";
}

// The keys from affected_rows to error.
std::string closing_keys(const ResultReport& report, std::uint64_t affected_rows) {
    std::array<char, 32> time{};
    (void)std::snprintf(time.data(), time.size(), "%.3f", report.elapsed_ms);
    return "\"affected_rows\":" + std::to_string(affected_rows) +
           ",\"last_insert_id\":" + std::to_string(report.outcome.last_insert_id) +
           ",\"warnings\":" + std::to_string(report.outcome.warnings) +
           ",\"node\":" + (report.node ? to_string(report.node) : "null") +
           ",\"coordinator\":" + (report.coordinator ? to_string(report.coordinator) : "null") +
           ",\"txn\":" + (report.txn ? json_string(to_string(report.txn)) : "null") +
           ",\"index\":" + std::to_string(report.index.value) + ",\"elapsed_ms\":" + time.data() +
           ",\"error\":" + error_json(report.error);
}

}  // namespace

void JsonFormatter::header(const std::vector<Column>& columns) {
    kinds_.clear();
    std::string names;
    std::string types;
    for (const Column& column : columns) {
        kinds_.push_back(kind_of(column));
        names += (names.empty() ? "" : ",") + json_string(column.name);
        types += (types.empty() ? "" : ",") + json_string(type_name(column));
    }
    ++sets_;
    set_open_ = true;
    rows_ = 0;
    const char* opening = sets_ == 1 ? "{" : sets_ == 2 ? ",\"more_results\":[{" : ",{";
    sink_.write(opening + ("\"columns\":[" + names + "],\"types\":[" + types + "],\"rows\":["));
}

void JsonFormatter::row(const Row& row) {
    std::string line = rows_++ == 0 ? "[" : ",[";
    for (std::size_t i = 0; i < row.size(); ++i) {
        if (i > 0) line += ',';
        append_value(line, row[i], kinds_[i]);
    }
    sink_.write(line + "]");
}

void JsonFormatter::end(const ResultReport& report) {
    if (set_open_) sink_.write(sets_ == 1 ? "]" : "]}");
    const bool had_set = set_open_;
    set_open_ = false;
    if (report.more && !report.error) return;
    if (sets_ == 0) sink_.write("{\"columns\":[],\"types\":[],\"rows\":[]");
    if (sets_ > 1) sink_.write("]");
    // The count of what a read returned is told by its rows.
    const bool read = had_set && !report.txn;
    sink_.write("," + closing_keys(report, read ? 0 : report.outcome.affected_rows) + "}\n");
    sets_ = 0;
}

void NdjsonFormatter::header(const std::vector<Column>& columns) {
    kinds_.clear();
    keys_.clear();
    had_rows_ = true;
    std::set<std::string> used;
    for (const Column& column : columns) {
        kinds_.push_back(kind_of(column));
        // Two columns of one name must not swallow each other.
        std::string name = column.name;
        for (int n = 2; !used.insert(name).second; ++n) name = column.name + "_" + std::to_string(n);
        keys_.push_back(json_string(name) + ":");
    }
}

void NdjsonFormatter::row(const Row& row) {
    std::string line = "{";
    for (std::size_t i = 0; i < row.size(); ++i) {
        if (i > 0) line += ',';
        line += keys_[i];
        append_value(line, row[i], kinds_[i]);
    }
    sink_.write(line + "}\n");
}

void NdjsonFormatter::end(const ResultReport& report) {
    if (report.error || (!had_rows_ && !report.more)) {
        sink_.write("{" + closing_keys(report, report.outcome.affected_rows) + "}\n");
    }
    if (!report.more) had_rows_ = false;
}

}  // namespace ddb::client
