#include "node/gateway/known_passwords.hpp"

#include <sodium.h>

#include <algorithm>

namespace ddb::gateway {
namespace {

std::string sha256(const std::string& text) {
    std::string out(crypto_hash_sha256_BYTES, '\0');
    ::crypto_hash_sha256(reinterpret_cast<unsigned char*>(out.data()),
                         reinterpret_cast<const unsigned char*>(text.data()), text.size());
    return out;
}

}  // namespace

KnownPasswords::~KnownPasswords() {
    while (!known_.empty()) drop(known_.begin());
}

void KnownPasswords::drop(std::list<Known>::iterator known) {
    for (std::string* const secret : {&known->password, &known->once}) ::sodium_memzero(secret->data(), secret->size());
    known_.erase(known);
}

void KnownPasswords::keep(const std::string& user, const std::string& password) {
    forget(user, password);
    const std::string once = sha256(password);
    known_.push_front({user, password, once, sha256(once)});
    if (known_.size() > passwords_max) drop(std::prev(known_.end()));
}

void KnownPasswords::forget(const std::string& user, const std::string& password) {
    const auto found = std::find_if(known_.begin(), known_.end(), [&](const Known& known) {
        return known.user == user && known.password == password;
    });
    if (found != known_.end()) drop(found);
}

// The answer is SHA256(password) xor SHA256(SHA256(SHA256(password)) challenge).
std::optional<std::string> KnownPasswords::proven_by(const std::string& user, std::string_view answer,
                                                     std::string_view challenge) {
    for (auto known = known_.begin(); known != known_.end(); ++known) {
        if (known->user != user) continue;
        std::string expected = sha256(known->twice + std::string(challenge));
        if (answer.size() != expected.size()) return std::nullopt;
        for (std::size_t i = 0; i < expected.size(); ++i) expected[i] = static_cast<char>(expected[i] ^ known->once[i]);
        if (::sodium_memcmp(expected.data(), answer.data(), expected.size()) != 0) continue;
        known_.splice(known_.begin(), known_, known);
        return known->password;
    }
    return std::nullopt;
}

}  // namespace ddb::gateway
