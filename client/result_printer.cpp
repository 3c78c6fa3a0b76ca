#include "client/result_printer.hpp"

#include <cstring>
#include <utility>

namespace ddb::client {

ResultPrinter::ResultPrinter(const FormatSettings& settings, Sink& sink, std::function<void(const std::string&)> tell)
    : settings_(settings),
      sink_(sink),
      tell_(std::move(tell)),
      usual_(make_formatter(settings, sink)),
      formatter_(usual_.get()) {
    FormatSettings vertical = settings;
    vertical.format = Format::vertical;
    vertical_ = make_formatter(vertical, sink);
}

void ResultPrinter::begin(bool vertical) {
    const bool for_people = settings_.format == Format::table || settings_.format == Format::tsv;
    formatter_ = vertical && for_people ? vertical_.get() : usual_.get();
    started_ = std::chrono::steady_clock::now();
}

void ResultPrinter::on_header(const std::vector<Column>& columns) {
    columns_ = columns.size();
    formatter_->header(columns);
}

Status ResultPrinter::on_rows(const ResultRows& rows) {
    RowReader reader(rows, columns_);
    for (;;) {
        const Result<bool> more = reader.next(row_);
        if (!more) return more.error();
        if (!*more) break;
        formatter_->row(row_);
    }
    if (const int failure = sink_.failure(); failure != 0) {
        return fail(ErrorCode::io, std::string("cannot write the result: ") + std::strerror(failure));
    }
    return ok();
}

void ResultPrinter::on_end(const ResultEnd& end) {
    const bool new_target = end.redirected && end.coordinator != redirected_to_;
    if (new_target && settings_.format == Format::table && tell_) {
        sink_.flush();
        tell_("redirecting to coordinator " + to_string(end.coordinator));
        redirected_to_ = end.coordinator;
    }
    ResultReport report;
    report.error = end.error;
    report.outcome = end.outcome;
    report.node = end.node;
    report.coordinator = end.coordinator;
    report.txn = end.txn;
    report.index = end.index;
    report.replicated_on = end.replicated_on;
    report.members = end.members;
    report.more = end.more;
    report.elapsed_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - started_).count();
    formatter_->end(report);
    if (!end.more) sink_.flush();
}

}  // namespace ddb::client
