#include "node/gateway/conversation.hpp"

#include <algorithm>
#include <utility>

#include "node/gateway/certificate_proof.hpp"
#include "node/gateway/prepared_statement.hpp"
#include "node/storage/native_password.hpp"

namespace ddb::gateway {
namespace {

constexpr std::size_t sha2_token_bytes = 32;
constexpr std::size_t login_packet_bytes_max = 128u << 10;
constexpr std::uint32_t account_asks_max = 3;  // an account made a moment ago may not have been applied here yet
constexpr std::uint64_t account_again_ms = 300;
constexpr std::uint64_t login_ms_max = 10'000;
constexpr std::uint16_t access_denied = 1045;
constexpr std::uint64_t half_packet_ms_max = 30'000;  // net_read_timeout of a server

constexpr std::uint64_t offered_capabilities =
    capability::found_rows | capability::long_flag | capability::connect_with_db | capability::compress |
    capability::odbc | capability::local_files | capability::ignore_space | capability::protocol_41 |
    capability::interactive | capability::ignore_sigpipe | capability::transactions | capability::reserved |
    capability::secure_connection | capability::multi_statements | capability::multi_results |
    capability::ps_multi_results | capability::plugin_auth | capability::connect_attrs |
    capability::plugin_auth_lenenc | capability::session_track | capability::deprecate_eof;

// Of what is MariaDB's own two flags are served: without the flag for cached metadata every execution of a prepared
// statement describes its columns.
std::uint64_t offered_beside(const ServerIdentity& server, TlsOffer tls) {
    return offered_capabilities | (tls == TlsOffer::none ? 0 : capability::ssl) |
           (server.extended_metadata ? capability::extended_metadata | capability::bulk_operations
                                     : capability::long_password);
}

}  // namespace

Error mysql_error_of(Error error) {
    const auto is = [&](std::uint16_t code, const char* state) {
        error.mysql_code = code;
        error.sqlstate = state;
    };
    if (error.mysql_code != 0) {
        if (error.sqlstate.size() != 5) error.sqlstate = "HY000";
        return error;
    }
    switch (error.code) {
        case ErrorCode::no_quorum:
        case ErrorCode::not_coordinator:
        case ErrorCode::shutting_down:
            is(1047, "08S01");  // what clients of a cluster already take for "this node cannot, now"
            break;
        case ErrorCode::timeout:
            is(1969, "70100");
            break;
        case ErrorCode::unknown_outcome:
        case ErrorCode::too_old:  // what became of it nobody knows any more
            is(1180, "HY000");
            break;
        case ErrorCode::overloaded:
            is(1041, "HY000");
            break;
        case ErrorCode::refused:
            is(1045, "28000");
            break;
        default:
            is(1105, "HY000");
    }
    return error;
}

Conversation::Conversation(ConversationHost& host, ConversationLimits limits, std::uint32_t connection_id,
                           const ServerIdentity& server, TlsOffer tls)
    : host_(host),
      limits_(limits),
      connection_id_(connection_id),
      reader_(login_packet_bytes_max),
      offered_(offered_beside(server, tls)),
      tls_(tls) {
    challenge_ = host_.new_challenge();
    ServerGreeting greeting;
    // Clients know MariaDB by this prefix, and by it alone that dates and types are MariaDB's.
    const bool mariadb = server.version.find("MariaDB") != std::string::npos;
    greeting.version = mariadb && !server.version.starts_with("5.5.5-") ? "5.5.5-" + server.version : server.version;
    greeting.connection_id = connection_id;
    greeting.scramble = challenge_;
    greeting.capabilities = offered_;
    greeting.plugin = own_plugin();
    put(encode_greeting(greeting));
}

Conversation::~Conversation() = default;

// --- input -----------------------------------------------------------------------------------------------------------

void Conversation::on_bytes(std::string_view bytes) {
    heard_ms_ = now_ms_;
    reader_.feed(bytes);
    next_payloads();
}

// A command is taken only when the one before is answered: clients of this protocol do not send ahead, and what one
// does all the same waits in the reader.
void Conversation::next_payloads() {
    while (listens() && !output_full()) {
        if (compresses()) reader_.expect_any();
        if (reader_.between_payloads()) reader_.expect(state_ == State::idle ? std::uint8_t{0} : writer_.sequence());
        auto payload = reader_.next();
        if (!payload) {
            writer_.set_sequence(reader_.next_sequence());
            put_error(payload.error());
            state_ = State::closing;
            return;
        }
        if (!*payload) return;
        writer_.set_sequence(reader_.next_sequence());
        on_payload(std::move(**payload));
    }
}

void Conversation::on_payload(std::string payload) {
    switch (state_) {
        case State::greeting:
            on_hello(payload);
            break;
        case State::switching:
            on_switched(payload);
            break;
        case State::asking:
            on_password(payload);
            break;
        case State::idle:
            on_command(payload);
            break;
        case State::sending_file:
            on_file_packet(payload);
            break;
        default:
            break;
    }
}

void Conversation::on_output_taken() {
    if (state_ == State::idle) next_payloads();
}

// --- login -----------------------------------------------------------------------------------------------------------

void Conversation::on_hello(std::string_view payload) {
    auto hello = decode_hello(payload, offered_);
    if (!hello) return refuse(hello.error());
    if (hello->ssl_request) {
        if (tls_ == TlsOffer::none || secured_) {
            return refuse(Error{ErrorCode::refused, "TLS is not available on this port", 1043, "08S01"});
        }
        state_ = State::securing;
        return;
    }
    if (tls_ == TlsOffer::required && !secured_) {
        return refuse(
            Error{ErrorCode::refused, "this node serves clients with TLS only (gateway.tls_required)", 3159, "HY000"});
    }
    capabilities_ = hello->capabilities & offered_;
    multi_statements_ = (capabilities_ & capability::multi_statements) != 0;
    credentials_ = {std::move(hello->user), "", std::move(hello->database), "", hello->charset};
    const auto program = hello->attributes.find("program_name");
    const auto client = hello->attributes.find("_client_name");
    credentials_.program = program != hello->attributes.end()  ? program->second
                           : client != hello->attributes.end() ? client->second
                                                               : "mysql client";
    prove_identity(std::move(hello->auth), hello->plugin, false);
}

void Conversation::secured() {
    if (state_ != State::securing) return;
    secured_ = true;
    state_ = State::greeting;
}

void Conversation::prove_identity(std::string token, const std::string& plugin, bool anew) {
    token_ = std::move(token);
    const std::size_t token_bytes = host_.login_key() != nullptr ? sha2_token_bytes : scramble_bytes;
    const bool other_plugin = !plugin.empty() && plugin != own_plugin();
    // Some clients say nothing at a change of user until they are asked, as some servers do in any case.
    const bool silent = anew && token_.empty() && (capabilities_ & capability::plugin_auth) != 0;
    if (other_plugin || silent || (!token_.empty() && token_.size() != token_bytes)) {
        // With the challenge of the greeting, as a MariaDB server: libmariadb answers a change of user by that one,
        // whatever it is sent.
        state_ = State::switching;
        return put(encode_auth_switch(own_plugin(), challenge_));
    }
    check_account();
}

void Conversation::on_switched(std::string_view payload) {
    token_ = payload;
    check_account();
}

std::string_view Conversation::own_plugin() const {
    return host_.login_key() != nullptr ? sha2_plugin : native_plugin;
}

// Where its password is not known here, the token of a caching_sha2_password client proves nothing to us: nobody keeps
// what it could be compared with. The password does, to the server.
void Conversation::on_password(std::string_view payload) {
    if (!secured_ && !key_sent_ && payload == std::string_view(&sha2_wants_key, 1)) {
        key_sent_ = true;
        return put(encode_more_data(host_.login_key()->public_pem()));
    }
    // libmariadb sends the password as it is, whatever the connection: to refuse it now would protect nothing.
    auto password = key_sent_ ? host_.login_key()->password_in(payload, challenge_) : password_of(payload);
    if (!password) return deny();
    log_in(std::move(*password));
}

void Conversation::check_account() {
    state_ = State::checking;
    account_asks_ = 0;
    account_again_ms_ = 0;
    password_known_ = false;
    // No password: the server itself will tell whether it needs one.
    if (token_.empty() || token_ == std::string_view("\0", 1)) return log_in("");
    if (host_.login_key() != nullptr) {
        if (auto known = host_.known_passwords().proven_by(credentials_.user, token_, challenge_)) {
            password_known_ = true;
            return log_in(std::move(*known));
        }
        state_ = State::asking;
        key_sent_ = false;
        return put(encode_more_data(std::string_view(&sha2_full_login, 1)));
    }
    ++account_asks_;
    account_asked_ = true;
    host_.ask_account(credentials_.user);
}

void Conversation::on_account(const Result<std::vector<std::string>>& hashes) {
    if (state_ != State::checking || !std::exchange(account_asked_, false)) return;
    if (!hashes) return refuse_login(mysql_error_of(hashes.error()));
    for (const std::string& kept : *hashes) {
        if (auto hash = storage::recover_sha1(token_, challenge_, kept)) {
            return log_in(storage::password_from_sha1(*hash));
        }
    }
    if (account_asks_ < account_asks_max) {
        account_again_ms_ = now_ms_ + account_again_ms;
        return;
    }
    deny();
}

void Conversation::deny() {
    refuse_login(
        Error{ErrorCode::refused,
              "Access denied for user '" + credentials_.user + "'@'" + host_.peer_name() + "' (using password: YES)",
              1045, "28000"});
}

// A change of user that fails leaves a MariaDB client who it was, in a session that is begun anew; a MySQL server ends
// the connection.
void Conversation::refuse_login(const Error& error) {
    if (!user_before_ || host_.login_key() != nullptr) return refuse(error);
    put_error(error);
    ++changes_failed_;
    returning_ = true;
    credentials_ = *std::exchange(user_before_, std::nullopt);
    open_session();
}

void Conversation::log_in(std::string password) {
    token_.clear();
    credentials_.password = std::move(password);
    open_session();
}

void Conversation::open_session() {
    state_ = State::opening;
    session_ = host_.new_session();
    request_ = {};
    database_ = credentials_.database;
    status_flags_ = status_autocommit;
    OpenSession open;
    open.session = session_;
    open.user = credentials_.user;
    open.password = credentials_.password;
    open.database = credentials_.database;
    open.client = credentials_.program;
    open.collation = credentials_.collation;
    open.port = host_.peer_port();
    if (open.port != 0) open.host = host_.peer_name();
    open.may_be_local = !host_.peer_is_elsewhere();
    open.found_rows = (capabilities_ & capability::found_rows) != 0;
    open.tls = secured_;
    open.interactive = (capabilities_ & capability::interactive) != 0;
    host_.send(std::move(open));
}

void Conversation::on_opened(const SessionOpened& opened) {
    if (state_ != State::opening || opened.session != session_) return;
    if (!opened.accepted && returning_) {
        state_ = State::closing;  // the client has had its answer
        return;
    }
    note_password(opened);
    if (!opened.accepted) return refuse_login(mysql_error_of(opened.error));
    user_before_.reset();
    reader_.set_limit(limits_.packet_bytes_max);
    wait_timeout_s_ = opened.wait_timeout_s;
    if ((capabilities_ & capability::ignore_space) != 0) {
        return execute(Answer::login, "SET sql_mode = CONCAT(@@sql_mode, ',IGNORE_SPACE')");
    }
    logged_in_now();
}

// A password that the server takes no more is asked for again at the next login. This client has no other one.
void Conversation::note_password(const SessionOpened& opened) {
    if (host_.login_key() == nullptr || credentials_.password.empty()) return;
    if (opened.accepted) {
        if (!password_known_) host_.known_passwords().keep(credentials_.user, credentials_.password);
    } else if (opened.error.mysql_code == access_denied) {
        host_.known_passwords().forget(credentials_.user, credentials_.password);
    }
}

void Conversation::logged_in_now() {
    const bool asked_for_nothing = std::exchange(password_known_, false);
    if (!std::exchange(returning_, false)) {
        if (asked_for_nothing) put(encode_more_data(std::string_view(&sha2_fast_login, 1)));
        put_ok(proof_of_certificate());
    }
    compresses_ = (capabilities_ & capability::compress) != 0;
    finish();
}

void Conversation::refuse(const Error& error) {
    put_error(error);
    state_ = State::closing;
}

void Conversation::tick(std::uint64_t now_ms) {
    now_ms_ = now_ms;
    if (begun_ms_ == 0) begun_ms_ = login_ms_ = now_ms;
    check_deadlines();
    pass_slow_piece_on();
    if (state_ == State::checking && account_again_ms_ != 0 && now_ms >= account_again_ms_) {
        account_again_ms_ = 0;
        ++account_asks_;
        account_asked_ = true;
        host_.ask_account(credentials_.user);
    }
}

void Conversation::check_deadlines() {
    const bool logging_in = state_ == State::greeting || state_ == State::securing || state_ == State::switching ||
                            state_ == State::asking || state_ == State::checking;
    if (logging_in && now_ms_ > login_ms_ + login_ms_max) {
        return refuse(Error{ErrorCode::timeout, "the login took longer than 10 s", 1159, "08S01"});
    }
    // Half a command: up to 64 MB would be kept for who may never send the rest.
    if (output_full()) heard_ms_ = now_ms_;  // it is not listened to
    const bool waited_for = (state_ == State::idle && reader_.buffered() > 0) || state_ == State::sending_file;
    if (waited_for && now_ms_ > heard_ms_ + half_packet_ms_max) {
        return refuse(Error{ErrorCode::timeout, "Got timeout reading communication packets", 1159, "08S01"});
    }
    const bool idle = state_ == State::idle && reader_.buffered() == 0;
    if (idle && wait_timeout_s_ != 0 && now_ms_ > heard_ms_ + std::uint64_t{wait_timeout_s_} * 1000) leave_idle();
}

// As the server at its wait_timeout: MariaDB's ends without a word.
void Conversation::leave_idle() {
    state_ = State::closing;
    if (host_.login_key() == nullptr) return;
    writer_.set_sequence(0);
    put_error(Error{ErrorCode::timeout,
                    "The client was disconnected by the server because of inactivity. See wait_timeout and "
                    "interactive_timeout for configuring this behavior.",
                    4031, "HY000"});
}

// Nothing unasked, as a server: a client without a command under way would take it for the answer to its next one, or
// for a broken protocol. An end it understands, and connects again.
void Conversation::shut_down(const Error& error) {
    if (state_ == State::closing) return;
    if (state_ == State::opening || state_ == State::checking) put_error(error);
    state_ = State::closing;
}

// What runs is told to stop; its end comes with the engine's answer.
void Conversation::killed(bool query_only) {
    if (running_) {
        running_->statements.clear();
        host_.send(Cancel{session_, request_});
    }
    if (query_only || state_ == State::closing) return;
    if (state_ != State::idle) put_error(Error{ErrorCode::sql, "Connection was killed", 1927, "70100"});
    state_ = State::closing;
}

// --- output ----------------------------------------------------------------------------------------------------------

void Conversation::put(std::string_view payload) {
    writer_.append(output_, payload);
}

void Conversation::put_ok(std::string info) {
    OkAnswer ok;
    ok.status_flags = status_flags_;
    ok.info = std::move(info);
    put(encode_ok(ok, capabilities_));
}

// A client without a password has nothing to compare a proof with; in front of MySQL it gets none from a server either.
std::string Conversation::proof_of_certificate() const {
    if (!secured_ || host_.login_key() != nullptr || credentials_.password.empty()) return {};
    return certificate_proof(storage::kept_hash_of_password(credentials_.password), challenge_,
                             host_.certificate_digest());
}

void Conversation::put_error(const Error& error) {
    put(encode_error(mysql_error_of(error)));
}

void Conversation::put_eof() {
    OkAnswer ok;
    ok.status_flags = status_flags_;
    const bool deprecated = (capabilities_ & capability::deprecate_eof) != 0;
    put(deprecated ? encode_ok(ok, capabilities_, 0xFE) : encode_eof(status_flags_, 0));
}

// The command is answered; what the client sent meanwhile comes next, by the owner's next call.
void Conversation::finish() {
    if (running_ && running_->holds_rows) close_cursor(*prepared_.at(running_->statement));
    if (running_ && running_->stage != CallStage::none) prepared_.at(running_->statement)->arguments.clear();
    running_.reset();
    heard_ms_ = now_ms_;
    state_ = State::idle;
}

void Conversation::on_session(SessionMessage message) {
    if (state_ == State::closing) return;
    if (auto* opened = std::get_if<SessionOpened>(&message)) {
        on_opened(*opened);
    } else if (auto* header = std::get_if<ResultHeader>(&message)) {
        if (running_ && header->session == session_ && header->request == request_)
            on_result_header(std::move(*header));
    } else if (auto* rows = std::get_if<ResultRows>(&message)) {
        if (running_ && rows->session == session_ && rows->request == request_) on_result_rows(*rows);
    } else if (auto* end = std::get_if<ResultEnd>(&message)) {
        if (!running_ || end->session != session_ || end->request != request_) return;
        if (state_ == State::sending_file || running_->file_open) {  // the client sends it to its end in any case
            state_ = State::sending_file;
            heard_ms_ = now_ms_;
            running_->early_end = std::move(*end);
        } else {
            on_result_end(std::move(*end));
        }
    } else if (auto* wanted = std::get_if<FileWanted>(&message)) {
        if (running_ && wanted->session == session_ && wanted->request == request_) on_file_wanted(*wanted);
    }
    if (state_ == State::idle || state_ == State::sending_file) next_payloads();
}

}  // namespace ddb::gateway
