#include "node/storage/server_certificate.hpp"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>

namespace ddb::storage {
namespace {

constexpr long hour_s = 3600;
constexpr long valid_s = 10L * 365 * 24 * hour_s;  // of a certificate that is new at each start
constexpr long x509_version_3 = 2;

template <class T, void (*release)(T*)>
struct Free {
    void operator()(T* object) const { release(object); }
};
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY, EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Free<X509, X509_free>>;
using Memory = std::unique_ptr<BIO, Free<BIO, BIO_free_all>>;

Error openssl_error() {
    const char* reason = ERR_reason_error_string(ERR_get_error());
    return fail(ErrorCode::internal,
                std::string("no certificate can be made: ") + (reason != nullptr ? reason : "no reason given"));
}

bool sign(X509* certificate, EVP_PKEY* key, const std::string& common_name) {
    X509_NAME* const name = X509_get_subject_name(certificate);
    const auto* const text = reinterpret_cast<const unsigned char*>(common_name.data());
    const int size = static_cast<int>(common_name.size());
    return X509_set_version(certificate, x509_version_3) == 1 &&
           ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1 &&
           // A clock may be put back, and another host's be behind.
           X509_gmtime_adj(X509_getm_notBefore(certificate), -24 * hour_s) != nullptr &&
           X509_gmtime_adj(X509_getm_notAfter(certificate), valid_s) != nullptr &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, text, size, -1, 0) == 1 &&
           X509_set_issuer_name(certificate, name) == 1 && X509_set_pubkey(certificate, key) == 1 &&
           X509_sign(certificate, key, EVP_sha256()) > 0;
}

}  // namespace

Result<std::string> make_server_certificate(const std::string& name) {
    const Key key(EVP_EC_gen("P-256"));
    const Certificate certificate(X509_new());
    const Memory memory(BIO_new(BIO_s_mem()));
    const bool made = key != nullptr && certificate != nullptr && memory != nullptr &&
                      sign(certificate.get(), key.get(), name) &&
                      PEM_write_bio_X509(memory.get(), certificate.get()) == 1 &&
                      PEM_write_bio_PrivateKey(memory.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1;
    if (!made) return openssl_error();
    char* text = nullptr;
    const long size = BIO_get_mem_data(memory.get(), &text);
    return std::string(text, static_cast<std::size_t>(size));
}

}  // namespace ddb::storage
