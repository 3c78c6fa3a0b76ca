#include "client/formats.hpp"

#include <array>
#include <cstdio>
#include <utility>

#include "client/format_kinds.hpp"

namespace ddb::client {
namespace {

constexpr std::array<std::pair<std::string_view, Format>, 6> format_names{{{"table", Format::table},
                                                                           {"tsv", Format::tsv},
                                                                           {"vertical", Format::vertical},
                                                                           {"csv", Format::csv},
                                                                           {"json", Format::json},
                                                                           {"ndjson", Format::ndjson}}};

std::string counted(std::uint64_t count, const char* what) {
    return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

}  // namespace

std::optional<Format> parse_format(std::string_view name) {
    for (const auto& [text, format] : format_names) {
        if (text == name) return format;
    }
    return std::nullopt;
}

std::uint16_t error_number(const Error& error) {
    constexpr std::uint16_t er_unknown_error = 1105;
    return error.mysql_code != 0 ? error.mysql_code : er_unknown_error;
}

std::string error_state(const Error& error) {
    return error.sqlstate.empty() ? "HY000" : error.sqlstate;
}

std::string error_line(const Error& error) {
    return "ERROR " + std::to_string(error_number(error)) + " (" + error_state(error) + "): " + error.message;
}

std::string footer_line(const ResultReport& report, bool has_rows, std::uint64_t rows) {
    std::string line;
    if (!has_rows) {
        line = "Query OK, " + counted(report.outcome.affected_rows, "row") + " affected";
    } else {
        line = rows == 0 ? "Empty set" : counted(rows, "row") + " in set";
    }
    if (report.outcome.warnings != 0) line += ", " + counted(report.outcome.warnings, "warning");
    std::array<char, 64> time{};
    (void)std::snprintf(time.data(), time.size(), " (%.3f sec)", report.elapsed_ms / 1000.0);
    line += time.data();
    if (report.node) line += ", node " + to_string(report.node);
    if (report.coordinator) line += ", coordinator " + to_string(report.coordinator);
    if (report.txn) {
        line += ", " + to_string(report.txn);
        if (report.members != 0) {
            line +=
                ", replicated on " + std::to_string(report.replicated_on) + " of " + counted(report.members, "node");
        }
    }
    return line;
}

std::unique_ptr<Formatter> make_formatter(const FormatSettings& settings, Sink& sink) {
    switch (settings.format) {
        case Format::table:
            return std::make_unique<TableFormatter>(settings, sink);
        case Format::tsv:
            return std::make_unique<TsvFormatter>(settings, sink);
        case Format::vertical:
            return std::make_unique<VerticalFormatter>(settings, sink);
        case Format::csv:
            return std::make_unique<CsvFormatter>(settings, sink);
        case Format::json:
            return std::make_unique<JsonFormatter>(sink);
        case Format::ndjson:
            return std::make_unique<NdjsonFormatter>(sink);
    }
    return std::make_unique<TableFormatter>(settings, sink);
}

}  // namespace ddb::client
