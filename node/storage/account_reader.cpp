#include "node/storage/account_reader.hpp"

#include <pthread.h>

#include <optional>
#include <utility>

#include "node/storage/metadata.hpp"
#include "node/storage/native_password.hpp"

namespace ddb::storage {
namespace {

constexpr std::size_t questions_max = 1000;
constexpr int query_timeout_ms = 5000;

}  // namespace

AccountReader::AccountReader(Answer answer)
    : answer_(std::move(answer)), thread_([this](const std::stop_token& stop) { run(stop); }) {}

AccountReader::~AccountReader() = default;  // the thread is told to stop and joined

void AccountReader::ask(std::uint64_t token, const std::string& user, const ConnectOptions& service) {
    {
        std::lock_guard lock(mutex_);
        if (questions_.size() < questions_max) {
            questions_.push_back({token, user, service});
            asked_.notify_one();
            return;
        }
    }
    answer_(token, fail(ErrorCode::overloaded, "too many logins at once"));
}

void AccountReader::run(const std::stop_token& stop) {
    pthread_setname_np(pthread_self(), "accounts");
    for (;;) {
        Question question;
        {
            std::unique_lock lock(mutex_);
            if (!asked_.wait(lock, stop, [this] { return !questions_.empty(); })) return;
            question = std::move(questions_.front());
            questions_.pop_front();
        }
        const bool had_connection = connection_ != nullptr;
        Hashes hashes = look_up(question);
        if (!hashes && hashes.error().code == ErrorCode::io && had_connection) hashes = look_up(question);
        answer_(question.token, std::move(hashes));
    }
}

AccountReader::Hashes AccountReader::look_up(const Question& question) {
    if (connection_ == nullptr || connection_->broken() || socket_ != question.service.endpoint.socket) {
        ConnectOptions options = question.service;
        options.program_name = "ddb accounts";
        options.read_timeout_ms = query_timeout_ms;
        auto connection = open_service(options);
        if (!connection) return connection.error();
        connection_ = std::move(*connection);
        socket_ = question.service.endpoint.socket;
    }
    auto rows =
        connection_->rows("SELECT Priv FROM mysql.global_priv WHERE User='" + connection_->escape(question.user) + "'");
    if (!rows) {
        if (rows.error().code == ErrorCode::io) connection_.reset();
        return rows.error();
    }
    std::vector<std::string> out;
    for (const auto& row : *rows) {
        if (row.empty() || !row.front()) continue;
        for (auto& hash : kept_hashes_in(*row.front())) out.push_back(std::move(hash));
    }
    return out;
}

}  // namespace ddb::storage
