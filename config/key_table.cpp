#include "config/key_table.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace ddb::config {

namespace {

using Expected = std::optional<std::string>;

template <class T>
[[nodiscard]] Expected read_number(const Json& value, T& out, std::uint64_t min, std::uint64_t max) {
    const bool in_range =
        value.is_number_unsigned() && value.get<std::uint64_t>() >= min && value.get<std::uint64_t>() <= max;
    if (!in_range) return "a whole number from " + std::to_string(min) + " to " + std::to_string(max);
    out = static_cast<T>(value.get<std::uint64_t>());
    return {};
}

[[nodiscard]] Expected read_bool(const Json& value, bool& out) {
    if (!value.is_boolean()) return "true or false";
    out = value.get<bool>();
    return {};
}

[[nodiscard]] Expected read_text(const Json& value, std::string& out, const char* expected) {
    if (!value.is_string() || value.get_ref<const std::string&>().empty() ||
        value.get_ref<const std::string&>().find('\0') != std::string::npos) {
        return expected;
    }
    out = value.get<std::string>();
    return {};
}

// "" takes back what the file said.
[[nodiscard]] Expected read_text_or_empty(const Json& value, std::string& out, const char* expected) {
    if (value == "") {
        out.clear();
        return {};
    }
    return read_text(value, out, expected);
}

[[nodiscard]] Expected read_choice(const Json& value, std::string& out, const std::vector<std::string>& choices) {
    if (value.is_string() && std::find(choices.begin(), choices.end(), value.get<std::string>()) != choices.end()) {
        out = value.get<std::string>();
        return {};
    }
    std::string expected = "one of";
    for (const std::string& choice : choices) expected += (choice == choices.front() ? " \"" : ", \"") + choice + "\"";
    return expected;
}

[[nodiscard]] Expected read_cluster_name(Raw& raw, const Json& value) {
    static constexpr const char* expected = "1 to 64 letters, digits, '.', '_' or '-'";
    std::string name;
    if (auto wrong = read_text(value, name, expected)) return wrong;
    const bool fits = name.size() <= 64 && std::all_of(name.begin(), name.end(), [](unsigned char c) {
                          return c < 0x80 && (std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-');
                      });
    if (!fits) return expected;
    raw.settings.cluster.name = name;
    return {};
}

[[nodiscard]] Expected read_address(Raw& raw, const Json& value) {
    static constexpr const char* expected = "\"auto\" or the IPv4 address of one of this host's interfaces";
    std::string address;
    if (auto wrong = read_text(value, address, expected)) return wrong;
    in_addr parsed{};
    // The other nodes dial this address, so "every interface" is no answer.
    if (address != "auto" && (inet_pton(AF_INET, address.c_str(), &parsed) != 1 || parsed.s_addr == INADDR_ANY)) {
        return expected;
    }
    raw.settings.node.address = address;
    return {};
}

[[nodiscard]] Expected read_multicast(Raw& raw, const Json& value) {
    static constexpr const char* expected =
        "an IPv4 multicast group (224.0.0.0 to 239.255.255.255), or \"\" for broadcast";
    if (!value.is_string()) return expected;
    const auto group = value.get<std::string>();
    in_addr parsed{};
    if (!group.empty() && (inet_pton(AF_INET, group.c_str(), &parsed) != 1 || !IN_MULTICAST(ntohl(parsed.s_addr)))) {
        return expected;
    }
    raw.settings.discovery.multicast = group;
    return {};
}

[[nodiscard]] Expected read_peers(Raw& raw, const Json& value) {
    static constexpr const char* expected = "a list of at most 64 strings \"host:port\"";
    if (!value.is_array() || value.size() > 64) return expected;
    std::vector<std::string> peers;
    for (const Json& peer : value) {
        if (!peer.is_string() || !is_host_and_port(peer.get<std::string>())) return expected;
        peers.push_back(peer.get<std::string>());
    }
    raw.settings.discovery.peers = std::move(peers);
    return {};
}

[[nodiscard]] Expected read_mode(Raw& raw, const Json& value) {
    std::string mode;
    if (auto wrong = read_choice(value, mode, {"managed", "external"})) return wrong;
    raw.settings.mysql.managed = mode == "managed";
    return {};
}

[[nodiscard]] Expected read_balance(Raw& raw, const Json& value) {
    std::string word;
    if (auto wrong = read_choice(value, word, {"off", "round_robin", "least_loaded"})) return wrong;
    raw.settings.reads.balance = *read_balance_of(word);
    return {};
}

[[nodiscard]] Expected read_optional_port(const Json& value, std::optional<std::uint16_t>& out) {
    std::uint16_t port = 0;
    if (read_number(value, port, 0, 65535)) return "a whole number from 0 to 65535 (0 = off)";
    out = port;
    return {};
}

constexpr std::uint64_t hour_ms = 3'600'000;

}  // namespace

const std::vector<KeyReader>& key_table() {
    static const std::vector<KeyReader> table = {
        {"cluster.name", read_cluster_name},
        {"cluster.expect",
         [](Raw& r, const Json& v) -> Expected { return read_number(v, r.settings.cluster.expect, 1, 64); }},
        {"cluster.key_dir",
         [](Raw& r, const Json& v) -> Expected { return read_text(v, r.settings.cluster.key_dir, "a directory"); }},
        {"node.id",
         [](Raw& r, const Json& v) -> Expected { return read_number(v, r.settings.node.id.value, 1, 65535); }},
        {"node.address", read_address},
        // The publisher listens on the next port, and so do gateway and metrics by default.
        {"node.port", [](Raw& r, const Json& v) -> Expected { return read_number(v, r.settings.node.port, 1, 65532); }},
        {"node.data_dir",
         [](Raw& r, const Json& v) -> Expected { return read_text(v, r.settings.node.data_dir, "a directory"); }},
        {"discovery.beacon",
         [](Raw& r, const Json& v) -> Expected { return read_bool(v, r.settings.discovery.beacon); }},
        {"discovery.port",
         [](Raw& r, const Json& v) -> Expected { return read_number(v, r.settings.discovery.port, 1, 65535); }},
        {"discovery.multicast", read_multicast},
        {"discovery.peers", read_peers},
        {"mysql.mode", read_mode},
        {"mysql.host",
         [](Raw& r, const Json& v) -> Expected {
             return read_text(v, r.settings.mysql.host, "a host name or address");
         }},
        {"mysql.port",
         [](Raw& r, const Json& v) -> Expected { return read_number(v, r.settings.mysql.port, 0, 65535); }},
        {"mysql.socket",
         [](Raw& r, const Json& v) -> Expected {
             return read_text_or_empty(v, r.settings.mysql.socket, "the path of a socket");
         }},
        {"mysql.user",
         [](Raw& r, const Json& v) -> Expected { return read_text(v, r.settings.mysql.user, "an account name"); }},
        {"mysql.password_file",
         [](Raw& r, const Json& v) -> Expected { return read_text(v, r.password_file, "the path of a file"); }},
        {"mysql.server",
         [](Raw& r, const Json& v) -> Expected {
             return read_text_or_empty(v, r.settings.mysql.server, "the path of the server program");
         }},
        {"timing.heartbeat_ms",
         [](Raw& r, const Json& v) -> Expected { return read_number(v, r.settings.timing.heartbeat_ms, 10, 60'000); }},
        {"timing.election_ms",
         [](Raw& r, const Json& v) -> Expected { return read_number(v, r.settings.timing.election_ms, 50, 600'000); }},
        {"timing.transaction_ms",
         [](Raw& r, const Json& v) -> Expected {
             return read_number(v, r.settings.timing.transaction_ms, 100, 24 * hour_ms);
         }},
        {"timing.lock_wait_ms",
         [](Raw& r, const Json& v) -> Expected {
             return read_number(v, r.settings.timing.lock_wait_ms, 100, 24 * hour_ms);
         }},
        {"security.insecure",
         [](Raw& r, const Json& v) -> Expected { return read_bool(v, r.settings.security.insecure); }},
        {"security.checksum",
         [](Raw& r, const Json& v) -> Expected {
             return read_choice(v, r.settings.security.checksum, {"blake2b", "sha256"});
         }},
        {"election.take_over",
         [](Raw& r, const Json& v) -> Expected { return read_bool(v, r.settings.election.take_over); }},
        {"election.stable_ms",
         [](Raw& r, const Json& v) -> Expected {
             return read_number(v, r.settings.election.stable_ms, 0, 24 * hour_ms);
         }},
        {"journal.kept_entries",
         [](Raw& r, const Json& v) -> Expected {
             return read_number(v, r.settings.journal.kept_entries, 10, 10'000'000);
         }},
        {"journal.kept_entries_hard",
         [](Raw& r, const Json& v) -> Expected {
             return read_number(v, r.settings.journal.kept_entries_hard, 10, 1'000'000'000);
         }},
        {"limits.transaction_mb",
         [](Raw& r, const Json& v) -> Expected { return read_number(v, r.settings.limits.transaction_mb, 1, 2048); }},
        {"reads.balance", read_balance},
        {"audit.interval_s",
         [](Raw& r, const Json& v) -> Expected { return read_number(v, r.settings.audit.interval_s, 0, 31'536'000); }},
        {"debug.failpoint",
         [](Raw& r, const Json& v) -> Expected {
             return read_text_or_empty(v, r.settings.debug.failpoint, "the name of a failpoint");
         }},
        {"debug.demand_keys",
         [](Raw& r, const Json& v) -> Expected { return read_bool(v, r.settings.debug.demand_keys); }},
        {"gateway.port", [](Raw& r, const Json& v) -> Expected { return read_optional_port(v, r.gateway_port); }},
        {"gateway.socket",
         [](Raw& r, const Json& v) -> Expected {
             return read_text_or_empty(v, r.settings.gateway_socket, "the path of a socket");
         }},
        {"gateway.tls_cert",
         [](Raw& r, const Json& v) -> Expected {
             return read_text_or_empty(v, r.settings.gateway_tls.cert, "the path of a PEM file with a certificate");
         }},
        {"gateway.tls_key",
         [](Raw& r, const Json& v) -> Expected {
             return read_text_or_empty(v, r.settings.gateway_tls.key, "the path of a PEM file with a private key");
         }},
        {"gateway.tls_required",
         [](Raw& r, const Json& v) -> Expected { return read_bool(v, r.settings.gateway_tls.required); }},
        {"http.port", [](Raw& r, const Json& v) -> Expected { return read_optional_port(v, r.http_port); }},
        {"log.level",
         [](Raw& r, const Json& v) -> Expected {
             return read_choice(v, r.settings.log.level,
                                {"trace", "debug", "info", "warn", "error", "critical", "off"});
         }},
        {"log.file",
         [](Raw& r, const Json& v) -> Expected {
             return read_text_or_empty(v, r.settings.log.file, "the path of a file");
         }},
    };
    return table;
}

const KeyReader* find_key(const std::string& path) {
    const auto& table = key_table();
    const auto found = std::find_if(table.begin(), table.end(), [&](const KeyReader& key) { return key.path == path; });
    return found == table.end() ? nullptr : &*found;
}

bool is_section(const std::string& path) {
    const auto& table = key_table();
    return std::any_of(table.begin(), table.end(),
                       [&](const KeyReader& key) { return std::string(key.path).starts_with(path + "."); });
}

namespace {

// Levenshtein distance; both texts are short.
[[nodiscard]] std::size_t distance(const std::string& a, const std::string& b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
        }
    }
    return row[b.size()];
}

}  // namespace

std::string suggestion(const std::string& path) {
    if (path.size() > 64) return {};
    std::string best;
    std::size_t best_distance = std::max<std::size_t>(2, path.size() / 3) + 1;
    const auto consider = [&](const std::string& candidate) {
        const std::size_t d = distance(path, candidate);
        if (d < best_distance) {
            best_distance = d;
            best = candidate;
        }
    };
    const bool top_level = path.find('.') == std::string::npos;
    for (const KeyReader& key : key_table()) {
        const std::string candidate = key.path;
        const std::size_t dot = candidate.find('.');
        // A name without its section is a common slip: "port" for "node.port".
        if (top_level && candidate.substr(dot + 1) == path) return " (did you mean " + candidate + "?)";
        consider(top_level ? candidate.substr(0, dot) : candidate);
    }
    return best.empty() ? std::string() : " (did you mean " + best + "?)";
}

std::string describe(const Json& value) {
    static constexpr std::size_t shown_max = 60;
    if (value.is_object()) return "an object";
    if (value.is_array() && value.size() > 16) return "a list of " + std::to_string(value.size()) + " items";
    std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
    if (text.size() > shown_max) text = text.substr(0, shown_max) + "…";
    if (value.is_string()) return "the string " + text;
    if (value.is_array()) return "the list " + text;
    return text;
}

bool is_host_and_port(const std::string& text) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string::npos || colon == 0 || text.size() > 255) return false;
    const char* digits = text.data() + colon + 1;
    const char* end = text.data() + text.size();
    unsigned port = 0;
    const auto [stop, error] = std::from_chars(digits, end, port);
    if (error != std::errc() || stop != end || port < 1 || port > 65535) return false;
    // Names and IPv4 addresses only: these characters end up in a ZeroMQ address.
    return std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(colon), [](unsigned char c) {
        return c < 0x80 && (std::isalnum(c) != 0 || c == '.' || c == '-' || c == '_');
    });
}

}  // namespace ddb::config
