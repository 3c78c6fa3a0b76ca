#include "node/gateway/login_key.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

namespace ddb::gateway {
namespace {

constexpr unsigned key_bits = 2048;

Error openssl_error(const std::string& what) {
    const char* reason = ERR_reason_error_string(ERR_get_error());
    return fail(ErrorCode::internal, what + ": " + (reason != nullptr ? reason : "no reason given"));
}

}  // namespace

void LoginKey::Free::operator()(EVP_PKEY* key) const {
    EVP_PKEY_free(key);
}

Result<LoginKey> LoginKey::make() {
    LoginKey made(EVP_RSA_gen(key_bits));
    if (made.key_ == nullptr) return openssl_error("gateway: no key for logins");
    const std::unique_ptr<BIO, int (*)(BIO*)> memory(BIO_new(BIO_s_mem()), BIO_free);
    char* text = nullptr;
    if (memory == nullptr || PEM_write_bio_PUBKEY(memory.get(), made.key_.get()) != 1)
        return openssl_error("gateway: the key for logins");
    const long size = BIO_get_mem_data(memory.get(), &text);
    made.public_pem_.assign(text, static_cast<std::size_t>(size));
    return made;
}

std::optional<std::string> LoginKey::password_in(std::string_view encrypted, std::string_view challenge) const {
    const std::unique_ptr<EVP_PKEY_CTX, void (*)(EVP_PKEY_CTX*)> context(EVP_PKEY_CTX_new(key_.get(), nullptr),
                                                                         EVP_PKEY_CTX_free);
    const auto* from = reinterpret_cast<const unsigned char*>(encrypted.data());
    std::string out(static_cast<std::size_t>(EVP_PKEY_get_size(key_.get())), '\0');
    std::size_t size = out.size();
    const bool decrypted = context != nullptr && EVP_PKEY_decrypt_init(context.get()) == 1 &&
                           EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) == 1 &&
                           EVP_PKEY_decrypt(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size, from,
                                            encrypted.size()) == 1;
    ERR_clear_error();
    if (!decrypted || challenge.empty()) return std::nullopt;
    out.resize(size);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<char>(out[i] ^ challenge[i % challenge.size()]);
    return password_of(out);
}

std::optional<std::string> password_of(std::string_view payload) {
    if (payload.empty() || payload.find('\0') != payload.size() - 1) return std::nullopt;
    return std::string(payload.substr(0, payload.size() - 1));
}

std::string encode_more_data(std::string_view data) {
    return std::string(1, '\x01').append(data);
}

}  // namespace ddb::gateway
