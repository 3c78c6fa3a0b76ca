#include "node/storage/native_password.hpp"

#include <errmsg.h>
#include <mysql.h>
#include <mysql/plugin_auth.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <cstdarg>
#include <mutex>

#include "node/storage/metadata.hpp"
#include "schemas/result.hpp"

namespace ddb::storage {
namespace {

constexpr std::string_view marker =
    "\x01"
    "ddb-sha1:";

std::string sha1(std::string_view bytes) {
    std::string out(sha1_bytes, '\0');
    ::SHA1(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
           reinterpret_cast<unsigned char*>(out.data()));
    return out;
}

std::string exclusive_or(std::string_view a, std::string_view b) {
    std::string out(a);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<char>(out[i] ^ b[i]);
    return out;
}

std::optional<std::string> hash_of_hex(std::string_view text) {
    return text.size() == 2 * sha1_bytes ? from_hex(text) : std::nullopt;
}

using Authenticate = int (*)(MYSQL_PLUGIN_VIO*, MYSQL*);

// st_mysql_client_plugin_AUTHENTICATION of client_plugin.h, which includes headers that no package carries.
struct LoginPlugin {
    int type;
    unsigned interface_version;
    const char* name;
    const char* author;
    const char* description;
    unsigned version[3];
    const char* license;
    void* mysql_api;
    int (*init)(char*, std::size_t, int, va_list);
    int (*deinit)();
    int (*options)(const char*, const void*);
    Authenticate authenticate_user;
};
constexpr int authentication_plugin = 2;
constexpr unsigned interface_major = 1;

Authenticate library_login = nullptr;  // set once, before any connection

int login(MYSQL_PLUGIN_VIO* vio, MYSQL* mysql) {
    const auto hash = mysql->passwd == nullptr ? std::nullopt : sha1_in_password(mysql->passwd);
    if (!hash) return library_login(vio, mysql);
    unsigned char* packet = nullptr;
    const int length = vio->read_packet(vio, &packet);
    constexpr int with_zero = static_cast<int>(sha1_bytes) + 1;
    if (length < 0) return CR_ERROR;
    if (length != with_zero) return CR_SERVER_HANDSHAKE_ERR;
    const std::string token = native_token(*hash, {reinterpret_cast<const char*>(packet), sha1_bytes});
    if (vio->write_packet(vio, reinterpret_cast<const unsigned char*>(token.data()), static_cast<int>(token.size())) !=
        0) {
        return CR_ERROR;
    }
    return CR_OK;
}

}  // namespace

std::optional<std::string> kept_hash_of(std::string_view text) {
    if (text.empty() || text.front() != '*') return std::nullopt;
    return hash_of_hex(text.substr(1));
}

std::vector<std::string> kept_hashes_in(std::string_view document) {
    constexpr std::size_t text_bytes = 1 + 2 * sha1_bytes;
    std::vector<std::string> out;
    for (std::size_t at = document.find('*'); at != std::string_view::npos; at = document.find('*', at + 1)) {
        if (auto hash = kept_hash_of(document.substr(at, text_bytes))) out.push_back(std::move(*hash));
    }
    return out;
}

std::string kept_hash_of_password(std::string_view password) {
    const auto once = sha1_in_password(password);
    return sha1(once ? *once : sha1(password));
}

std::optional<std::string> recover_sha1(std::string_view token, std::string_view challenge,
                                        std::string_view kept_hash) {
    if (token.size() != sha1_bytes || kept_hash.size() != sha1_bytes) return std::nullopt;
    std::string recovered = exclusive_or(token, sha1(std::string(challenge) + std::string(kept_hash)));
    const std::string again = sha1(recovered);
    if (CRYPTO_memcmp(again.data(), kept_hash.data(), sha1_bytes) != 0) return std::nullopt;
    return recovered;
}

std::string native_token(std::string_view sha1_of_password, std::string_view challenge) {
    DDB_ASSERT(sha1_of_password.size() == sha1_bytes);
    return exclusive_or(sha1_of_password, sha1(std::string(challenge) + sha1(sha1_of_password)));
}

std::string password_from_sha1(std::string_view sha1_of_password) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out(marker);
    for (const char c : sha1_of_password) {
        out.push_back(digits[static_cast<unsigned char>(c) >> 4]);
        out.push_back(digits[static_cast<unsigned char>(c) & 15]);
    }
    return out;
}

std::optional<std::string> sha1_in_password(std::string_view password) {
    if (!password.starts_with(marker)) return std::nullopt;
    return hash_of_hex(password.substr(marker.size()));
}

void install_sha1_login() {
    static std::once_flag once;
    std::call_once(once, [] {
        // The library hands out its own table of functions; its login needs the password itself and there is no option
        // for less.
        (void)mysql_server_init(0, nullptr, nullptr);
        auto* plugin = reinterpret_cast<LoginPlugin*>(
            mysql_client_find_plugin(nullptr, "mysql_native_password", authentication_plugin));
        const bool known = plugin != nullptr && plugin->type == authentication_plugin &&
                           plugin->interface_version >> 8 == interface_major && plugin->authenticate_user != nullptr;
        if (!known) return;
        library_login = plugin->authenticate_user;
        plugin->authenticate_user = login;
    });
}

}  // namespace ddb::storage
