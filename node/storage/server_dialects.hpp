// The two kinds of ServerDialect. Private to server_dialect.cpp and the file of each.
#pragma once

#include "node/storage/server_dialect.hpp"

namespace ddb::storage {

// The rows of the account that asks, in tables with these columns.
inline constexpr const char* own_account =
    "User = SUBSTRING_INDEX(CURRENT_USER(), '@', 1) AND Host = SUBSTRING_INDEX(CURRENT_USER(), '@', -1)";

// MariaDB 10.11 and 11.8: server_dialect_mariadb.cpp.
class MariaDbDialect final : public ServerDialect {
  public:
    explicit MariaDbDialect(bool calculates_rows) : calculates_rows_(calculates_rows) {}
    [[nodiscard]] bool speaks(const std::string& version) const override;
    [[nodiscard]] std::string service_session_sql() const override;
    [[nodiscard]] std::string user_session_sql(int lock_wait_s) const override;
    [[nodiscard]] std::string applier_session_sql() const override;
    [[nodiscard]] std::string audit_session_sql() const override;
    [[nodiscard]] RedoLogCounters redo_log_counters() const override;
    [[nodiscard]] bool logs_temporary_renames() const override;
    [[nodiscard]] Result<std::uint64_t> traces_of_run(Connection& connection) const override;
    [[nodiscard]] bool locks_what_it_fills() const override;
    [[nodiscard]] bool leaves_out_defaults() const override;
    [[nodiscard]] bool has_sequences() const override;
    [[nodiscard]] bool leaves_routines_behind() const override;
    [[nodiscard]] bool is_mysql() const override;
    [[nodiscard]] bool calculates_rows() const override;
    [[nodiscard]] std::vector<std::string> arithmetic_modes_sql() const override;
    [[nodiscard]] bool forgets_warnings() const override;
    [[nodiscard]] std::vector<std::string> server_settings_sql() const override;
    [[nodiscard]] std::string require_primary_keys_sql(bool on) const override;
    [[nodiscard]] bool lets_keys_go(std::string_view version) const override;
    [[nodiscard]] std::string binlog_position_sql() const override;
    [[nodiscard]] std::string forget_binlog_sql() const override;
    [[nodiscard]] std::string after_format_description_sql() const override;
    [[nodiscard]] Result<std::string> foreign_gtids(Connection& connection) const override;
    [[nodiscard]] std::string statement_begin_body() const override;
    [[nodiscard]] std::string statement_end_body() const override;
    [[nodiscard]] std::string applied_statement_sql(std::uint64_t sequence) const override;
    [[nodiscard]] std::string lenient_session_sql() const override;
    [[nodiscard]] Result<std::string> last_statement_gtid(Connection& connection,
                                                          std::uint64_t sequence) const override;
    [[nodiscard]] Result<std::string> found_statement_gtid(Connection& connection,
                                                           std::uint64_t sequence) const override;
    [[nodiscard]] Result<std::string> unlogged_settings_sql(Connection& user) const override;
    [[nodiscard]] bool tells_by_binlog() const override;
    [[nodiscard]] Result<RanStatements> ran_statements(const ConnectOptions& options,
                                                       std::uint64_t least) const override;
    void add_context(const StatementContext& context, std::vector<std::string>& out) const override;
    [[nodiscard]] std::string character_set_sql(std::uint16_t collation) const override;
    [[nodiscard]] bool logs_accounts_as_utf8() const override;
    [[nodiscard]] bool roles_have_administrators() const override;
    [[nodiscard]] std::vector<std::string> create_procedure_sql(const std::string& name,
                                                                const std::string& definition) const override;
    [[nodiscard]] std::vector<std::string> public_rights_sql() const override;
    [[nodiscard]] std::vector<VitalTable> vital_tables() const override;
    [[nodiscard]] Result<std::string> inactive_rights(Connection& user) const override;
    [[nodiscard]] std::vector<std::string> role_rights_sql(const std::string& roles) const override;
    [[nodiscard]] std::string system_logins_sql(const std::string& escaped_user) const override;
    [[nodiscard]] std::vector<PrivilegeTable> privilege_tables() const override;
    [[nodiscard]] std::vector<std::string> system_accounts() const override;
    [[nodiscard]] std::vector<const char*> dump_programs() const override;
    [[nodiscard]] std::vector<const char*> client_programs() const override;
    [[nodiscard]] std::vector<std::string> socket_options() const override;
    [[nodiscard]] std::vector<std::string> dump_options() const override;
    [[nodiscard]] std::string load_session_sql() const override;
    [[nodiscard]] std::string data_bytes_sql() const override;
    [[nodiscard]] std::string definitions_counted_sql() const override;
    [[nodiscard]] std::string foreign_keys_sql() const override;

  private:
    bool calculates_rows_;
};

// MySQL 8.4 and newer: server_dialect_mysql.cpp.
class MySqlDialect final : public ServerDialect {
  public:
    [[nodiscard]] bool speaks(const std::string& version) const override;
    [[nodiscard]] std::string service_session_sql() const override;
    [[nodiscard]] std::string user_session_sql(int lock_wait_s) const override;
    [[nodiscard]] std::string applier_session_sql() const override;
    [[nodiscard]] std::string audit_session_sql() const override;
    [[nodiscard]] RedoLogCounters redo_log_counters() const override;
    [[nodiscard]] bool logs_temporary_renames() const override;
    [[nodiscard]] Result<std::uint64_t> traces_of_run(Connection& connection) const override;
    [[nodiscard]] bool locks_what_it_fills() const override;
    [[nodiscard]] bool leaves_out_defaults() const override;
    [[nodiscard]] bool has_sequences() const override;
    [[nodiscard]] bool leaves_routines_behind() const override;
    [[nodiscard]] bool is_mysql() const override;
    [[nodiscard]] bool calculates_rows() const override;
    [[nodiscard]] std::vector<std::string> arithmetic_modes_sql() const override;
    [[nodiscard]] bool forgets_warnings() const override;
    [[nodiscard]] std::vector<std::string> server_settings_sql() const override;
    [[nodiscard]] std::string require_primary_keys_sql(bool on) const override;
    [[nodiscard]] bool lets_keys_go(std::string_view version) const override;
    [[nodiscard]] std::string binlog_position_sql() const override;
    [[nodiscard]] std::string forget_binlog_sql() const override;
    [[nodiscard]] std::string after_format_description_sql() const override;
    [[nodiscard]] Result<std::string> foreign_gtids(Connection& connection) const override;
    [[nodiscard]] std::string statement_begin_body() const override;
    [[nodiscard]] std::string statement_end_body() const override;
    [[nodiscard]] std::string applied_statement_sql(std::uint64_t sequence) const override;
    [[nodiscard]] std::string lenient_session_sql() const override;
    [[nodiscard]] Result<std::string> last_statement_gtid(Connection& connection,
                                                          std::uint64_t sequence) const override;
    [[nodiscard]] Result<std::string> found_statement_gtid(Connection& connection,
                                                           std::uint64_t sequence) const override;
    [[nodiscard]] Result<std::string> unlogged_settings_sql(Connection& user) const override;
    [[nodiscard]] bool tells_by_binlog() const override;
    [[nodiscard]] Result<RanStatements> ran_statements(const ConnectOptions& options,
                                                       std::uint64_t least) const override;
    void add_context(const StatementContext& context, std::vector<std::string>& out) const override;
    [[nodiscard]] std::string character_set_sql(std::uint16_t collation) const override;
    [[nodiscard]] bool logs_accounts_as_utf8() const override;
    [[nodiscard]] bool roles_have_administrators() const override;
    [[nodiscard]] std::vector<std::string> create_procedure_sql(const std::string& name,
                                                                const std::string& definition) const override;
    [[nodiscard]] std::vector<std::string> public_rights_sql() const override;
    [[nodiscard]] std::vector<VitalTable> vital_tables() const override;
    [[nodiscard]] Result<std::string> inactive_rights(Connection& user) const override;
    [[nodiscard]] std::vector<std::string> role_rights_sql(const std::string& roles) const override;
    [[nodiscard]] std::string system_logins_sql(const std::string& escaped_user) const override;
    [[nodiscard]] std::vector<PrivilegeTable> privilege_tables() const override;
    [[nodiscard]] std::vector<std::string> system_accounts() const override;
    [[nodiscard]] std::vector<const char*> dump_programs() const override;
    [[nodiscard]] std::vector<const char*> client_programs() const override;
    [[nodiscard]] std::vector<std::string> socket_options() const override;
    [[nodiscard]] std::vector<std::string> dump_options() const override;
    [[nodiscard]] std::string load_session_sql() const override;
    [[nodiscard]] std::string data_bytes_sql() const override;
    [[nodiscard]] std::string definitions_counted_sql() const override;
    [[nodiscard]] std::string foreign_keys_sql() const override;
};

}  // namespace ddb::storage
