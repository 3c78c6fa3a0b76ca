#include "bus/keys.hpp"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>
#include <system_error>

namespace ddb::bus {

namespace {

constexpr const char* cluster_file = "cluster.key";
constexpr const char* client_file = "client.key";
constexpr std::size_t file_bytes_max = 4096;
constexpr const char* remedy = "; make keys with `ddb-node keygen --out DIR` and copy them to every host";

void sodium_ready() {
    static const bool ready = sodium_init() >= 0;
    DDB_ASSERT(ready);
}

[[nodiscard]] std::string system_error() {
    return std::generic_category().message(errno);
}

// Each purpose gets a key of its own, so that no key is ever used for two things.
[[nodiscard]] Key derive(const Key& secret, std::string_view purpose, NodeId id) {
    sodium_ready();
    std::string label = "ddb ";
    label += purpose;
    for (unsigned shift = 0; shift < 32; shift += 8) label += static_cast<char>((id.value >> shift) & 0xFFU);
    Key out{};
    crypto_generichash(out.data(), out.size(), reinterpret_cast<const unsigned char*>(label.data()), label.size(),
                       secret.data(), secret.size());
    return out;
}

[[nodiscard]] CurveKeyPair pair_of(const Key& secret_key) {
    CurveKeyPair pair;
    pair.secret_key = secret_key;
    crypto_scalarmult_base(pair.public_key.data(), pair.secret_key.data());
    return pair;
}

template <class Bytes>
[[nodiscard]] std::string hex(const Bytes& bytes, std::size_t size) {
    std::string out(2 * size + 1, '\0');
    sodium_bin2hex(out.data(), out.size(), bytes.data(), size);
    out.pop_back();
    return out;
}

[[nodiscard]] bool parse_key(const std::string& digits, Key& out) {
    std::size_t size = 0;
    return digits.size() == 2 * out.size() &&
           sodium_hex2bin(out.data(), out.size(), digits.data(), digits.size(), nullptr, &size, nullptr) == 0 &&
           size == out.size();
}

// Closes at the end of its scope.
class File {
  public:
    explicit File(int fd) : fd_(fd) {}
    ~File() {
        if (fd_ >= 0) ::close(fd_);
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    [[nodiscard]] int fd() const { return fd_; }

  private:
    int fd_;
};

[[nodiscard]] Result<std::string> read_secret(const std::string& path) {
    const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (file.fd() < 0) return fail(ErrorCode::io, path + ": " + system_error() + remedy);
    struct stat info {};
    if (::fstat(file.fd(), &info) != 0) return fail(ErrorCode::io, path + ": " + system_error());
    if (!S_ISREG(info.st_mode)) return fail(ErrorCode::invalid_argument, path + ": not a regular file" + remedy);
    if ((info.st_mode & 077U) != 0) {
        return fail(ErrorCode::invalid_argument,
                    path + ": other users may read this secret; set its mode to 0600 (`chmod 600 " + path + "`)");
    }
    std::string text(file_bytes_max, '\0');
    const ssize_t size = ::read(file.fd(), text.data(), text.size());
    if (size < 0) return fail(ErrorCode::io, path + ": " + system_error());
    text.resize(static_cast<std::size_t>(size));
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
    return text;
}

[[nodiscard]] Status write_secret(const std::string& path, const std::string& text) {
    const File file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (file.fd() < 0) return fail(ErrorCode::io, path + ": " + system_error());
    // The mask of the caller must not widen or narrow it.
    const bool written = ::fchmod(file.fd(), 0600) == 0 &&
                         ::write(file.fd(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                         ::fsync(file.fd()) == 0;
    if (written) return ok();
    const std::string why = system_error();
    ::unlink(path.c_str());
    return fail(ErrorCode::io, path + ": " + why);
}

[[nodiscard]] std::string client_json(const ClusterKeys& keys) {
    const CurveKeyPair client = keys.client();
    const nlohmann::ordered_json document = {
        {"server_public", hex(keys.server().public_key, 32)},
        {"client_public", hex(client.public_key, 32)},
        {"client_secret", hex(client.secret_key, 32)},
        {"envelope", hex(keys.client_envelope(), 32)},
        {"beacon", hex(keys.beacon(), 32)},
    };
    return document.dump(4) + "\n";
}

}  // namespace

ClusterKeys::ClusterKeys(const Key& secret) : secret_(secret) {
    sodium_ready();
}
CurveKeyPair ClusterKeys::server() const {
    return pair_of(derive(secret_, "curve server", NodeId{}));
}
CurveKeyPair ClusterKeys::node(NodeId id) const {
    return pair_of(derive(secret_, "curve node", id));
}
CurveKeyPair ClusterKeys::client() const {
    return pair_of(derive(secret_, "curve client", NodeId{}));
}
Key ClusterKeys::peer_envelope() const {
    return derive(secret_, "envelope peer", NodeId{});
}
Key ClusterKeys::client_envelope() const {
    return derive(secret_, "envelope client", NodeId{});
}
Key ClusterKeys::beacon() const {
    return derive(secret_, "beacon", NodeId{});
}
std::string ClusterKeys::service_password() const {
    return hex(derive(secret_, "service password", NodeId{}), 24);
}

Result<ClusterKeys> load_cluster_keys(const std::string& key_dir) {
    const std::string path = key_dir + "/" + cluster_file;
    auto text = read_secret(path);
    if (!text) return text.error();
    Key secret{};
    if (!parse_key(*text, secret)) {
        return fail(ErrorCode::invalid_argument, path + ": found " + std::to_string(text->size()) +
                                                     " characters, expected 64 hexadecimal digits" + remedy);
    }
    return ClusterKeys(secret);
}

Result<ClientKeys> load_client_keys(const std::string& file) {
    auto text = read_secret(file);
    if (!text) return text.error();
    const auto document = nlohmann::json::parse(*text, nullptr, false);
    if (!document.is_object()) {
        return fail(ErrorCode::invalid_argument, file + ": not the JSON of a client key file" + remedy);
    }
    ClientKeys keys;
    struct Part {
        const char* name;
        Key* key;
    };
    for (const Part& part : {Part{"server_public", &keys.server_public}, Part{"client_public", &keys.client.public_key},
                             Part{"client_secret", &keys.client.secret_key}, Part{"envelope", &keys.envelope},
                             Part{"beacon", &keys.beacon}}) {
        const auto found = document.find(part.name);
        if (found == document.end() || !found->is_string() || !parse_key(found->get<std::string>(), *part.key)) {
            return fail(ErrorCode::invalid_argument,
                        file + ": \"" + part.name + "\" is missing or not 64 hexadecimal digits" + remedy);
        }
    }
    return keys;
}

Status generate_keys(const std::string& key_dir) {
    sodium_ready();
    std::error_code error;
    const bool created = std::filesystem::create_directories(key_dir, error);
    if (error) return fail(ErrorCode::io, key_dir + ": " + error.message());
    if (created) (void)::chmod(key_dir.c_str(), 0700);
    const std::string cluster_path = key_dir + "/" + cluster_file;
    const std::string client_path = key_dir + "/" + client_file;
    for (const std::string& path : {cluster_path, client_path}) {
        if (std::filesystem::exists(path, error)) {
            return fail(
                ErrorCode::invalid_argument,
                path + " is there already; a cluster keeps its keys for life. Remove it first if it is not in use");
        }
    }
    Key secret{};
    randombytes_buf(secret.data(), secret.size());
    if (auto done = write_secret(cluster_path, hex(secret, secret.size()) + "\n"); !done) return done;
    auto done = write_secret(client_path, client_json(ClusterKeys(secret)));
    if (!done) ::unlink(cluster_path.c_str());  // half a pair would only be in the way of the next attempt
    return done;
}

}  // namespace ddb::bus
