// Runs statements one after another from text, files and descriptors, as `mysql --batch` does; also what the shell
// feeds its lines to. Stops at the first error unless told to go on. Used by one thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "client/options.hpp"
#include "client/result_printer.hpp"
#include "client/session_client.hpp"
#include "client/statement_splitter.hpp"

namespace ddb::client {

// Words for people on standard error; red where that is a terminal that wants colours.
class Voice {
  public:
    Voice(bool terminal, bool colour) : terminal_(terminal), colour_(colour) {}
    void error(const std::string& text) const;
    void notice(const std::string& text) const;
    [[nodiscard]] bool terminal() const { return terminal_; }

  private:
    bool terminal_;
    bool colour_;
};

class StatementRunner {
  public:
    StatementRunner(SessionClient& session, ResultPrinter& printer, const Voice& voice,
                    const StatementSettings& settings, bool force);

    [[nodiscard]] Exit run_text(std::string_view sql);
    [[nodiscard]] Exit run_descriptor(int fd);
    [[nodiscard]] Exit run_file(const std::string& name);

    // Runs what is complete in `splitter`. `numbered`: errors name the line. True: go on reading.
    [[nodiscard]] bool run_complete(StatementSplitter& splitter, bool numbered);
    [[nodiscard]] Exit result() const { return result_; }
    [[nodiscard]] bool quit_asked() const { return quit_; }
    void start_over();  // forgets result() and quit_asked()

  private:
    [[nodiscard]] bool run_item(const SplitItem& item, StatementSplitter& splitter, bool numbered);
    [[nodiscard]] bool run_statement(const SplitItem& item, bool numbered);
    [[nodiscard]] bool complain(const Error& error, const SplitItem& item, bool numbered);

    SessionClient& session_;
    ResultPrinter& printer_;
    const Voice& voice_;
    StatementSettings settings_;
    bool force_;
    int depth_ = 0;  // of files that read files
    bool quit_ = false;
    Exit result_ = Exit::done;
};

}  // namespace ddb::client
