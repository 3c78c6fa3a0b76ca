#include "node/storage/system_login.hpp"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "node/storage/native_password.hpp"
#include "node/storage/server_dialect.hpp"

namespace ddb::storage {
namespace {

constexpr std::size_t names_bytes_max = 4096;

bool keeps(const std::string& document, std::string_view kept_hash) {
    const auto hashes = kept_hashes_in(document);
    return std::find(hashes.begin(), hashes.end(), kept_hash) != hashes.end();
}

}  // namespace

std::string system_user() {
    passwd entry{};
    passwd* found = nullptr;
    std::vector<char> names(names_bytes_max);
    if (getpwuid_r(geteuid(), &entry, names.data(), names.size(), &found) != 0 || found == nullptr) return {};
    return found->pw_name;
}

// The server takes an account's alternatives in turn, and this one it would take for true: that the client has another
// one's password is looked up here.
Status refuse_system_login(Connection& service, const std::string& user, const std::string& password) {
    auto accounts = service.rows(service.dialect().system_logins_sql(service.escape(user)));
    if (!accounts.ok()) return accounts.error();
    const std::string kept_hash = kept_hash_of_password(password);
    for (const auto& account : *accounts) {
        if (!password.empty() && keeps(account.front().value_or(""), kept_hash)) continue;
        return Error{
            ErrorCode::refused,
            "Access denied for user '" + user +
                "': the account logs in by unix_socket, which through ddb would let in everybody; ALTER USER " +
                "it to a password",
            1698, "28000"};
    }
    return ok();
}

}  // namespace ddb::storage
