#include "node/gateway/tls.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>

#include "node/storage/server_certificate.hpp"

namespace ddb::gateway {
namespace {

constexpr std::size_t block_bytes = 16u << 10;  // a TLS record holds no more

// The first error of the thread's queue, which it empties.
std::string openssl_words() {
    const unsigned long code = ::ERR_get_error();
    ::ERR_clear_error();
    const char* reason = code == 0 ? nullptr : ::ERR_reason_error_string(code);
    return reason == nullptr ? "no reason is given" : reason;
}

Error bad_file(const std::string& key, const std::string& found, const std::string& expected) {
    return fail(ErrorCode::invalid_argument,
                key + ": found " + found + ", expected " + expected + " (" + openssl_words() + ")");
}

// OpenSSL would ask at the terminal.
int no_passphrase(char* /*out*/, int /*size*/, int /*writing*/, void* /*user*/) {
    return 0;
}

}  // namespace

void TlsContext::Free::operator()(SSL_CTX* context) const {
    ::SSL_CTX_free(context);
}
void TlsStream::Free::operator()(SSL* tls) const {
    ::SSL_free(tls);
}

Result<std::shared_ptr<TlsContext>> TlsContext::make() {
    ::ERR_clear_error();
    std::shared_ptr<TlsContext> made(new TlsContext(::SSL_CTX_new(::TLS_server_method())));
    SSL_CTX* const context = made->context_.get();
    if (context == nullptr) return fail(ErrorCode::io, "gateway: OpenSSL does not start: " + openssl_words());
    (void)::SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    (void)::SSL_CTX_set_options(
        context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
    (void)::SSL_CTX_set_num_tickets(context, 0);
    (void)::SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    (void)::SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);  // most clients are idle most of the time
    ::SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    return made;
}

Result<std::shared_ptr<const TlsContext>> TlsContext::load(const std::string& cert_file, const std::string& key_file) {
    auto made = make();
    if (!made) return made.error();
    SSL_CTX* const context = (*made)->context_.get();
    if (::SSL_CTX_use_certificate_chain_file(context, cert_file.c_str()) != 1) {
        return bad_file("gateway.tls_cert", cert_file, "a PEM file with a certificate and its chain");
    }
    if (::SSL_CTX_use_PrivateKey_file(context, key_file.c_str(), SSL_FILETYPE_PEM) != 1 ||
        ::SSL_CTX_check_private_key(context) != 1) {
        return bad_file("gateway.tls_key", key_file,
                        "a PEM file with the private key of gateway.tls_cert, without a passphrase");
    }
    if (const Status learnt = (*made)->learn_digest(); !learnt) return learnt.error();
    return std::shared_ptr<const TlsContext>(std::move(*made));
}

Result<std::shared_ptr<const TlsContext>> TlsContext::self_signed(const std::string& name) {
    auto made = make();
    if (!made) return made.error();
    SSL_CTX* const context = (*made)->context_.get();
    const auto pem = storage::make_server_certificate(name);
    if (!pem) return pem.error();
    const std::unique_ptr<BIO, int (*)(BIO*)> memory(::BIO_new_mem_buf(pem->data(), static_cast<int>(pem->size())),
                                                     ::BIO_free);
    const std::unique_ptr<X509, void (*)(X509*)> certificate(
        ::PEM_read_bio_X509(memory.get(), nullptr, no_passphrase, nullptr), ::X509_free);
    const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key(
        ::PEM_read_bio_PrivateKey(memory.get(), nullptr, no_passphrase, nullptr), ::EVP_PKEY_free);
    const bool signed_by_itself = certificate != nullptr && key != nullptr &&
                                  ::SSL_CTX_use_certificate(context, certificate.get()) == 1 &&
                                  ::SSL_CTX_use_PrivateKey(context, key.get()) == 1;
    if (!signed_by_itself) return fail(ErrorCode::internal, "gateway: no certificate of our own: " + openssl_words());
    if (const Status learnt = (*made)->learn_digest(); !learnt) return learnt.error();
    return std::shared_ptr<const TlsContext>(std::move(*made));
}

Status TlsContext::learn_digest() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    const X509* const certificate = ::SSL_CTX_get0_certificate(context_.get());
    if (certificate == nullptr || ::X509_digest(certificate, ::EVP_sha256(), digest.data(), &size) != 1)
        return fail(ErrorCode::internal, "gateway: no digest of the certificate: " + openssl_words());
    certificate_digest_.assign(digest.begin(), digest.begin() + size);
    return ok();
}

TlsStream::TlsStream(const TlsContext& context) : tls_(::SSL_new(context.context_.get())) {
    BIO* const in = ::BIO_new(::BIO_s_mem());
    BIO* const out = ::BIO_new(::BIO_s_mem());
    DDB_ASSERT(tls_ != nullptr && in != nullptr && out != nullptr);
    ::SSL_set_bio(tls_.get(), in, out);  // owns both
    ::SSL_set_accept_state(tls_.get());
}

bool TlsStream::established() const {
    return !failed_ && ::SSL_is_init_finished(tls_.get()) == 1;
}

Status TlsStream::receive(std::string_view bytes, std::string& plain) {
    if (failed_) return fail(ErrorCode::refused, "it has failed before");
    ::ERR_clear_error();
    const int size = static_cast<int>(bytes.size());
    DDB_ASSERT(size == 0 || ::BIO_write(::SSL_get_rbio(tls_.get()), bytes.data(), size) == size);
    std::array<char, block_bytes> block;
    for (;;) {
        const int got = ::SSL_read(tls_.get(), block.data(), static_cast<int>(block.size()));
        if (got > 0) {
            plain.append(block.data(), static_cast<std::size_t>(got));
            continue;
        }
        const int why = ::SSL_get_error(tls_.get(), got);
        if (why == SSL_ERROR_WANT_READ) return ok();
        if (why == SSL_ERROR_ZERO_RETURN) {
            ended_ = true;
            return ok();
        }
        failed_ = true;
        return fail(ErrorCode::refused, openssl_words());
    }
}

void TlsStream::send(std::string_view plain) {
    DDB_ASSERT(established());
    if (plain.empty()) return;
    // Memory takes everything at once; what fails here fails for good, and shows at the next receive().
    ::ERR_clear_error();
    if (::SSL_write(tls_.get(), plain.data(), static_cast<int>(plain.size())) <= 0) failed_ = true;
}

void TlsStream::close() {
    if (established()) (void)::SSL_shutdown(tls_.get());
}

void TlsStream::take_output(std::string& out) {
    BIO* const from = ::SSL_get_wbio(tls_.get());
    const std::size_t before = out.size();
    const std::size_t waiting = ::BIO_ctrl_pending(from);
    if (waiting == 0) return;
    out.resize(before + waiting);
    const int got = ::BIO_read(from, out.data() + before, static_cast<int>(waiting));
    out.resize(before + static_cast<std::size_t>(std::max(got, 0)));
}

}  // namespace ddb::gateway
