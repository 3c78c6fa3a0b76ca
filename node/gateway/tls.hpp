// TLS on the server's side of one connection, over memory: ciphertext in, plaintext out, and back. No socket, nothing
// that waits. Owner: the loop thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "schemas/result.hpp"

using SSL = struct ssl_st;
using SSL_CTX = struct ssl_ctx_st;

namespace ddb::gateway {

// Certificate and key. TLS 1.2 and newer; no renegotiation, no resumption.
class TlsContext {
  public:
    // PEM files: the certificate with its chain, and its key without a passphrase. Errors: invalid_argument, naming the
    // setting, what was found and what was expected.
    [[nodiscard]] static Result<std::shared_ptr<const TlsContext>> load(const std::string& cert_file,
                                                                        const std::string& key_file);
    // A certificate that nobody but itself vouches for, made anew at each start: hides what passes by, and proves
    // nothing.
    [[nodiscard]] static Result<std::shared_ptr<const TlsContext>> self_signed(const std::string& name);

  private:
    friend class TlsStream;
    struct Free {
        void operator()(SSL_CTX* context) const;
    };
    explicit TlsContext(SSL_CTX* context) : context_(context) {}
    [[nodiscard]] static Result<std::shared_ptr<TlsContext>> make();
    std::unique_ptr<SSL_CTX, Free> context_;
};

class TlsStream {
  public:
    explicit TlsStream(const TlsContext& context);

    // Takes what the client sent and appends what was inside to `plain`; the handshake happens in here as well. Errors:
    // refused, in OpenSSL's words; then only output() is of use, which may hold an alert for the client.
    Status receive(std::string_view bytes, std::string& plain);
    // Only once established.
    void send(std::string_view plain);
    void close();  // tells the client that nothing more comes
    // Appends what the client is to be sent.
    void take_output(std::string& out);
    [[nodiscard]] bool established() const;
    [[nodiscard]] bool ended() const { return ended_; }  // the client said that nothing more comes

  private:
    struct Free {
        void operator()(SSL* tls) const;
    };
    std::unique_ptr<SSL, Free> tls_;
    bool ended_ = false;
    bool failed_ = false;
};

}  // namespace ddb::gateway
