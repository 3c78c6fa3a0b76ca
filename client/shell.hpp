// The interactive mode. Owns the session while it runs; used by one thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "client/discovery.hpp"
#include "client/options.hpp"
#include "client/result_printer.hpp"
#include "client/session_client.hpp"
#include "client/shell_editor.hpp"
#include "client/sink.hpp"
#include "client/statement_runner.hpp"

namespace ddb::client {

class Shell {
  public:
    // Opens a session at one of `nodes`.
    using Opener = std::function<Result<std::unique_ptr<SessionClient>>(const std::vector<std::string>& nodes,
                                                                        const std::string& database)>;

    Shell(const Options& options, const Target& target, const FormatSettings& format, const Voice& voice, Opener opener,
          std::unique_ptr<SessionClient> session);
    ~Shell();

    [[nodiscard]] Exit run();

  private:
    [[nodiscard]] bool read_line();  // false: leave
    [[nodiscard]] bool obey(const std::string& line);
    void greet();
    void show_info();
    void change_node(const std::string& where);
    void show_nodes();
    void run_file(const std::string& name);
    void set_tee(const std::string& name);
    void set_pager(const std::string& command);
    void run_statements();
    void use_session(std::unique_ptr<SessionClient> session);
    [[nodiscard]] std::string prompt() const;
    [[nodiscard]] Result<std::string> ask_nodes();
    [[nodiscard]] std::vector<std::string> complete(const std::string& prefix);
    void load_names();

    const Options& options_;
    const Target& target_;
    const Voice& voice_;
    Opener opener_;
    FdSink screen_;
    TeeSink output_;
    ResultPrinter printer_;
    std::unique_ptr<SessionClient> session_;
    std::unique_ptr<StatementRunner> runner_;
    StatementSplitter splitter_;
    std::unique_ptr<ShellEditor> editor_;
    std::unique_ptr<FdSink> tee_;
    int tee_fd_ = -1;
    std::vector<std::string> pager_;  // command and arguments; empty: none
    std::string typed_;               // the statement so far, for the history
    std::string names_database_;
    std::vector<std::string> names_;
};

}  // namespace ddb::client
