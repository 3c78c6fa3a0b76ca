#include "node/gateway/certificate_proof.hpp"

#include <openssl/evp.h>

#include <array>

namespace ddb::gateway {

std::string certificate_proof(std::string_view kept_hash, std::string_view challenge,
                              std::string_view certificate_digest) {
    std::string proven(kept_hash);
    proven.append(challenge).append(certificate_digest);
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    if (::EVP_Digest(proven.data(), proven.size(), digest.data(), &size, ::EVP_sha256(), nullptr) != 1) return {};
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string out(1, '\x01');
    for (unsigned i = 0; i < size; ++i) {
        out += digits[digest[i] >> 4];
        out += digits[digest[i] & 0xf];
    }
    return out;
}

}  // namespace ddb::gateway
