#include "node/storage/local_database.hpp"

#include <sodium.h>

#include <array>

#include "node/storage/changed_tables.hpp"
#include "node/storage/forced_logs.hpp"
#include "node/storage/local_database_impl.hpp"
#include "node/storage/metadata.hpp"
#include "node/storage/orphan_routines.hpp"
#include "node/storage/privileges_digest.hpp"
#include "node/storage/server_dialect.hpp"
#include "node/storage/statement_runner.hpp"
#include "node/storage/stored_texts.hpp"
#include "node/storage/table_users.hpp"

namespace ddb::storage {

std::string random_xid() {
    std::array<unsigned char, 16> bytes{};
    randombytes_buf(bytes.data(), bytes.size());
    std::array<char, 33> hex{};
    sodium_bin2hex(hex.data(), hex.size(), bytes.data(), bytes.size());
    return std::string(xid_prefix) + hex.data();
}

std::string xa_sql(const char* verb, const std::string& xid) {
    return std::string("XA ") + verb + " " + to_hex_literal(xid);
}

LocalDatabase::LocalDatabase(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LocalDatabase::~LocalDatabase() = default;

Result<std::unique_ptr<LocalDatabase>> LocalDatabase::start(const DatabaseOptions& options, Journal& journal,
                                                            Sink sink) {
    if (sodium_init() < 0) return fail(ErrorCode::internal, "libsodium cannot be initialised");
    auto impl = std::make_unique<Impl>(options, journal, std::move(sink));
    if (auto status = impl->start(); !status.ok()) return status.error();
    return std::unique_ptr<LocalDatabase>(new LocalDatabase(std::move(impl)));
}

ServerUp LocalDatabase::initial() const {
    return impl_->initial();
}
bool LocalDatabase::had_meta() const {
    return impl_->had_meta();
}
bool LocalDatabase::has_user_data() const {
    return impl_->has_user_data();
}
std::string LocalDatabase::metadata_cluster() const {
    return impl_->cluster();
}
Status LocalDatabase::record_cluster(const std::string& uuid) {
    return impl_->record_cluster(uuid);
}

void LocalDatabase::decided(LogIndex up_to) {
    impl_->decided(up_to);
}
void LocalDatabase::hurry(LogIndex index) {
    impl_->hurry(index);
}
void LocalDatabase::open_office(Epoch epoch, LogIndex noop_index) {
    impl_->open_office(epoch, noop_index);
}
void LocalDatabase::close_office(Epoch epoch) {
    impl_->close_office(epoch);
}
void LocalDatabase::register_prepared(LogIndex index, TxnId txn, std::string xid,
                                      std::unique_ptr<Connection> connection) {
    impl_->register_prepared(index, txn, std::move(xid), std::move(connection));
}
void LocalDatabase::fence(std::string reason) {
    impl_->fence(std::move(reason));
}
void LocalDatabase::set_other_copies(OtherCopies copies) {
    impl_->set_other_copies(copies);
}
void LocalDatabase::register_done(LogIndex index, bool part) {
    impl_->register_done(index, part);
}
void LocalDatabase::read_group(Epoch epoch, GroupPlace place) {
    impl_->read_group(epoch, std::move(place));
}
void LocalDatabase::want_part() {
    impl_->want_part();
}
void LocalDatabase::register_audit(LogIndex index) {
    impl_->register_audit(index);
}
void LocalDatabase::end_audit() {
    impl_->end_audit();
}

Result<std::unique_ptr<Connection>> LocalDatabase::connect(const std::string& user, const std::string& password,
                                                           const std::string& database,
                                                           const LoginOptions& login) const {
    return impl_->connect(user, password, database, login);
}
bool LocalDatabase::knows_hosts() const {
    return impl_->knows_hosts();
}
Status LocalDatabase::kill(std::uint64_t connection_id, bool query_only) const {
    return impl_->kill(connection_id, query_only);
}

std::vector<std::string> LocalDatabase::begin_sql(const std::string& xid, TxnId txn) const {
    return {xa_sql("START", xid), call_mark_sql(ServerDialect::of(impl_->initial().version), impl_->key(), txn)};
}
std::vector<std::string> LocalDatabase::prepare_sql(const std::string& xid) const {
    return {xa_sql("END", xid), xa_sql("PREPARE", xid)};
}
std::vector<std::string> LocalDatabase::statement_begin_sql(std::uint64_t sequence, bool may_leave_traces) const {
    const bool forced = impl_->tells_by_binlog() && !(may_leave_traces && impl_->managed());
    return {call_statement_begin_sql(impl_->key(), sequence, forced)};
}
std::vector<std::string> LocalDatabase::statement_end_sql() const {
    return {call_statement_end_sql()};
}

Result<std::string> LocalDatabase::statement_gtid(Connection& connection, std::uint64_t sequence) {
    return connection.dialect().last_statement_gtid(connection, sequence);
}
Result<std::string> LocalDatabase::lost_statement_gtid(Connection& connection, std::uint64_t sequence) {
    return connection.dialect().found_statement_gtid(connection, sequence);
}
Result<std::uint64_t> LocalDatabase::traces_of_run(Connection& connection) {
    return connection.dialect().traces_of_run(connection);
}

Result<std::string> LocalDatabase::settings_event(Connection& user) {
    const auto sql = user.dialect().unlogged_settings_sql(user);
    if (!sql.ok()) return sql.error();
    return storage::settings_event(*sql);
}
Result<std::string> LocalDatabase::whole_settings_event(Connection& user) {
    const auto unlogged = user.dialect().unlogged_settings_sql(user);
    if (!unlogged.ok()) return unlogged.error();
    const auto row = user.rows(select_as_is_sql(
        {"@@character_set_client", "@@collation_connection", "@@collation_server", "@@timestamp", "@@sql_mode"}));
    if (!row.ok()) return row.error();
    if (row->size() != 1) return fail(ErrorCode::corrupt, "the server shows no settings");
    const auto value = [&](std::size_t i) { return row->front().at(i).value_or(""); };
    return storage::settings_event(*unlogged + ", collation_server=" + value(2) + ", timestamp=" + value(3) +
                                   ", sql_mode='" + value(4) + "', collation_connection=" + value(1) +
                                   ", character_set_client=" + value(0));
}

void LocalDatabase::hold_statements(bool hold) {
    impl_->hold_statements(hold);
}
bool LocalDatabase::statements_held() const {
    return impl_->statements_held();
}
void LocalDatabase::begin_rebuild(std::uint64_t attempt) {
    impl_->begin_rebuild(attempt);
}
void LocalDatabase::read_loaded_position() {
    impl_->read_loaded_position();
}
void LocalDatabase::install_snapshot(EntryId last, std::vector<Entry> entries) {
    impl_->install_snapshot(last, std::move(entries));
}
void LocalDatabase::end_rebuild() {
    impl_->end_rebuild();
}

DefinitionClock& LocalDatabase::definitions() const {
    return impl_->definitions();
}

bool LocalDatabase::demands_keys() const {
    return impl_->demands_keys();
}

Result<std::string> LocalDatabase::privileges_digest() const {
    return storage::privileges_digest(impl_->service());
}

Status LocalDatabase::force_to_disk() const {
    auto connection = open_service(impl_->service());
    if (!connection.ok()) return connection.error();
    if (auto forced = force_redo_log(**connection); !forced.ok()) return forced;
    if (!impl_->tells_by_binlog() || !impl_->managed()) return ok();
    return force_binlog(**connection, impl_->server_files());
}

Status LocalDatabase::drop_orphan_routines(const std::string& replaced) const {
    auto connection = open_service(impl_->service());
    if (!connection.ok()) return connection.error();
    return storage::drop_orphan_routines(**connection, replaced);
}

Status LocalDatabase::roll_back(const std::string& xid) const {
    auto connection = open_service(impl_->service());
    if (!connection.ok()) return connection.error();
    auto done = (*connection)->execute("XA ROLLBACK '" + xid + "'");
    return done.ok() ? ok() : Status(done.error());
}

Result<bool> LocalDatabase::admit_roles(Connection& user) const {
    return impl_->admit_roles(user);
}

Status LocalDatabase::mend_own_rows() const {
    auto connection = open_service(impl_->service());
    if (!connection.ok()) return connection.error();
    return impl_->own_rows().mend(**connection);
}

Result<StoredTexts> LocalDatabase::texts_about_sessions(const std::string& words) const {
    return storage::texts_about_sessions(impl_->service(), words);
}

Result<TableUsers> LocalDatabase::table_users() const {
    return storage::table_users(impl_->service());
}

Result<bool> LocalDatabase::fills_for_children(const std::string& database, const std::string& table,
                                               bool replaces) const {
    return storage::fills_for_children(impl_->service(), database, table, replaces);
}

std::optional<std::vector<std::string>> LocalDatabase::changed_tables(std::string_view events) {
    const auto changed = storage::changed_tables(events);
    if (!changed) return std::nullopt;
    std::vector<std::string> names;
    for (const ChangedTable& table : *changed) names.push_back(table.table);
    return names;
}

const ConnectOptions& LocalDatabase::service() const {
    return impl_->service();
}
const std::string& LocalDatabase::server_program() const {
    return impl_->server_program();
}
std::string LocalDatabase::socket() const {
    return impl_->endpoint().socket;
}
std::uint64_t LocalDatabase::server_pid() const {
    return impl_->pid();
}

bool LocalDatabase::stalled() const {
    return impl_->stalled();
}

}  // namespace ddb::storage
