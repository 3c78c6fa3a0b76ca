// table, tsv, vertical and csv.
#include <algorithm>

#include "client/format_kinds.hpp"
#include "client/text_tools.hpp"

namespace ddb::client {
namespace {

std::vector<ValueKind> kinds_of(const std::vector<Column>& columns) {
    std::vector<ValueKind> kinds;
    for (const Column& column : columns) kinds.push_back(kind_of(column));
    return kinds;
}

// For people: nothing that could steer a terminal gets through.
std::string shown(const Cell& cell, ValueKind kind, bool keep_line_breaks) {
    if (!cell) return "NULL";
    if (kind == ValueKind::binary) return hex_literal(*cell);
    if (kind == ValueKind::bit) return bit_number(*cell);
    return printable(*cell, keep_line_breaks);
}

void append_tsv(std::string& out, std::string_view text) {
    for (const char c : text) {
        switch (c) {
            case '\0':
                out += "\\0";
                break;
            case '\t':
                out += "\\t";
                break;
            case '\n':
                out += "\\n";
                break;
            case '\\':
                out += "\\\\";
                break;
            default:
                out += c;
        }
    }
}

std::string csv_field(std::string_view text) {
    if (!text.empty() && text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"') out += '"';
        out += c;
    }
    return out + "\"";
}

}  // namespace

void TableFormatter::header(const std::vector<Column>& columns) {
    kinds_ = kinds_of(columns);
    names_.clear();
    widths_.clear();
    for (const Column& column : columns) {
        names_.push_back(printable(column.name, false));
        widths_.push_back(settings_.column_names ? display_width(names_.back()) : 0);
    }
    held_.clear();
    held_bytes_ = 0;
    rows_ = 0;
    has_rows_ = true;
    drawing_ = false;
}

void TableFormatter::row(const Row& row) {
    ++rows_;
    std::vector<std::string> cells;
    cells.reserve(row.size());
    for (std::size_t i = 0; i < row.size(); ++i) {
        cells.push_back(shown(row[i], kinds_[i], false));
        held_bytes_ += cells.back().size();
    }
    if (drawing_) {
        draw_row(cells, false);
        return;
    }
    for (std::size_t i = 0; i < cells.size(); ++i) widths_[i] = std::max(widths_[i], display_width(cells[i]));
    held_.push_back(std::move(cells));
    if (held_.size() >= table_rows_measured || held_bytes_ >= table_bytes_measured) start_drawing();
}

void TableFormatter::draw_line() {
    std::string line = "+";
    for (const std::size_t width : widths_) {
        line.append(width + 2, '-');
        line += '+';
    }
    sink_.write(line + "\n");
}

// A cell wider than what was measured pushes its line out instead of being cut.
void TableFormatter::draw_row(const std::vector<std::string>& cells, bool heading) {
    std::string line = "|";
    for (std::size_t i = 0; i < cells.size(); ++i) {
        const std::size_t width = display_width(cells[i]);
        const std::string blanks(widths_[i] > width ? widths_[i] - width : 0, ' ');
        const bool right = !heading && right_aligned(kinds_[i]);
        line += " " + (right ? blanks + cells[i] : cells[i] + blanks) + " |";
    }
    sink_.write(line + "\n");
}

void TableFormatter::start_drawing() {
    drawing_ = true;
    draw_line();
    if (settings_.column_names) {
        draw_row(names_, true);
        draw_line();
    }
    for (const auto& cells : held_) draw_row(cells, false);
    held_.clear();
}

void TableFormatter::end(const ResultReport& report) {
    if (has_rows_ && rows_ > 0) {
        if (!drawing_) start_drawing();
        draw_line();
    }
    if (settings_.footer && !report.error) sink_.write(footer_line(report, has_rows_, rows_) + "\n\n");
    has_rows_ = false;
    rows_ = 0;
    held_.clear();
}

void TsvFormatter::header(const std::vector<Column>& columns) {
    columns_ = columns;
    named_ = !settings_.column_names;
}

// As the model does: a result without rows has no header line either.
void TsvFormatter::row(const Row& row) {
    line_.clear();
    if (!named_) {
        named_ = true;
        for (const Column& column : columns_) {
            append_tsv(line_, column.name);
            line_ += '\t';
        }
        line_.back() = '\n';
    }
    for (const Cell& cell : row) {
        append_tsv(line_, cell ? *cell : std::string_view("NULL"));
        line_ += '\t';
    }
    line_.back() = '\n';
    sink_.write(line_);
}

void TsvFormatter::end(const ResultReport&) {}

void VerticalFormatter::header(const std::vector<Column>& columns) {
    kinds_ = kinds_of(columns);
    names_.clear();
    std::size_t width = 0;
    for (const Column& column : columns) {
        names_.push_back(printable(column.name, false));
        width = std::max(width, display_width(names_.back()));
    }
    for (std::string& name : names_) name.insert(0, width - display_width(name), ' ');
    rows_ = 0;
    has_rows_ = true;
}

void VerticalFormatter::row(const Row& row) {
    const std::string stars(27, '*');
    sink_.write(stars + " " + std::to_string(++rows_) + ". row " + stars + "\n");
    for (std::size_t i = 0; i < row.size(); ++i) {
        const std::string value = shown(row[i], kinds_[i], true);
        sink_.write((settings_.column_names ? names_[i] + ": " + value : value) + "\n");
    }
}

void VerticalFormatter::end(const ResultReport& report) {
    if (settings_.footer && !report.error) sink_.write(footer_line(report, has_rows_, rows_) + "\n\n");
    has_rows_ = false;
    rows_ = 0;
}

void CsvFormatter::header(const std::vector<Column>& columns) {
    kinds_ = kinds_of(columns);
    if (!settings_.column_names) return;
    std::string line;
    for (const Column& column : columns) line += (line.empty() ? "" : ",") + csv_field(column.name);
    sink_.write(line + "\n");
}

void CsvFormatter::row(const Row& row) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
        if (i > 0) line += ',';
        if (!row[i]) continue;
        if (kinds_[i] == ValueKind::binary) {
            line += hex_literal(*row[i]);
        } else {
            line += csv_field(kinds_[i] == ValueKind::bit ? bit_number(*row[i]) : std::string(*row[i]));
        }
    }
    sink_.write(line + "\n");
}

void CsvFormatter::end(const ResultReport&) {}

}  // namespace ddb::client
