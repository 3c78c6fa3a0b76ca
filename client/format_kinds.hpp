// The formatters themselves; private to formats.cpp and its rooms.
#pragma once

#include "client/formats.hpp"

namespace ddb::client {

// Rows at the start of a result that decide the widths of a table, whichever comes first.
inline constexpr std::size_t table_rows_measured = 1000;
inline constexpr std::size_t table_bytes_measured = 4u << 20;

class TableFormatter : public Formatter {
  public:
    TableFormatter(const FormatSettings& settings, Sink& sink) : settings_(settings), sink_(sink) {}
    void header(const std::vector<Column>& columns) override;
    void row(const Row& row) override;
    void end(const ResultReport& report) override;

  private:
    void draw_line();
    void draw_row(const std::vector<std::string>& cells, bool heading);
    void start_drawing();

    FormatSettings settings_;
    Sink& sink_;
    std::vector<ValueKind> kinds_;
    std::vector<std::string> names_;
    std::vector<std::size_t> widths_;
    std::vector<std::vector<std::string>> held_;
    std::size_t held_bytes_ = 0;
    std::uint64_t rows_ = 0;
    bool has_rows_ = false;
    bool drawing_ = false;
};

class TsvFormatter : public Formatter {
  public:
    TsvFormatter(const FormatSettings& settings, Sink& sink) : settings_(settings), sink_(sink) {}
    void header(const std::vector<Column>& columns) override;
    void row(const Row& row) override;
    void end(const ResultReport& report) override;

  private:
    FormatSettings settings_;
    Sink& sink_;
    std::vector<Column> columns_;
    bool named_ = false;
    std::string line_;
};

class VerticalFormatter : public Formatter {
  public:
    VerticalFormatter(const FormatSettings& settings, Sink& sink) : settings_(settings), sink_(sink) {}
    void header(const std::vector<Column>& columns) override;
    void row(const Row& row) override;
    void end(const ResultReport& report) override;

  private:
    FormatSettings settings_;
    Sink& sink_;
    std::vector<ValueKind> kinds_;
    std::vector<std::string> names_;  // padded to one width
    std::uint64_t rows_ = 0;
    bool has_rows_ = false;
};

class CsvFormatter : public Formatter {
  public:
    CsvFormatter(const FormatSettings& settings, Sink& sink) : settings_(settings), sink_(sink) {}
    void header(const std::vector<Column>& columns) override;
    void row(const Row& row) override;
    void end(const ResultReport& report) override;

  private:
    FormatSettings settings_;
    Sink& sink_;
    std::vector<ValueKind> kinds_;
};

class JsonFormatter : public Formatter {
  public:
    explicit JsonFormatter(Sink& sink) : sink_(sink) {}
    void header(const std::vector<Column>& columns) override;
    void row(const Row& row) override;
    void end(const ResultReport& report) override;

  private:
    Sink& sink_;
    std::vector<ValueKind> kinds_;
    std::uint64_t rows_ = 0;
    std::uint32_t sets_ = 0;  // of this statement
    bool set_open_ = false;
};

class NdjsonFormatter : public Formatter {
  public:
    explicit NdjsonFormatter(Sink& sink) : sink_(sink) {}
    void header(const std::vector<Column>& columns) override;
    void row(const Row& row) override;
    void end(const ResultReport& report) override;

  private:
    Sink& sink_;
    std::vector<ValueKind> kinds_;
    std::vector<std::string> keys_;  // as JSON, with the colon
    bool had_rows_ = false;          // this statement had a result with rows
};

}  // namespace ddb::client
