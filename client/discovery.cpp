#include "client/discovery.hpp"

#include <poll.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>

#include "bus/beacon.hpp"
#include "client/text_tools.hpp"

namespace ddb::client {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::uint16_t default_discovery_port = 6100;
constexpr std::uint16_t default_port = 6000;
constexpr milliseconds listen_time{1500};
// After the first beacon the others of the cluster follow within a beat or two.
constexpr milliseconds gather_time{150};
constexpr std::size_t candidates_max = 16;
constexpr std::uintmax_t cluster_file_bytes_max = 1u << 20;

std::string config_dir(const Environment& environment) {
    const std::string xdg = environment("XDG_CONFIG_HOME");
    if (!xdg.empty()) return xdg + "/ddb";
    const std::string home = environment("HOME");
    return home.empty() ? std::string() : home + "/.config/ddb";
}

bool is_file(const std::string& path) {
    std::error_code error;
    return !path.empty() && fs::is_regular_file(path, error);
}

std::int64_t modified_ns(const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) return 0;
    return std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
}

bool lists_one_of(const KnownCluster& cluster, const std::vector<std::string>& nodes) {
    return std::any_of(nodes.begin(), nodes.end(), [&](const std::string& node) {
        return std::find(cluster.nodes.begin(), cluster.nodes.end(), node) != cluster.nodes.end();
    });
}

Candidate candidate_of(const KnownCluster& cluster) {
    return {cluster.name, cluster.client_key, cluster.nodes,
            cluster.discovery_port != 0 ? cluster.discovery_port : default_discovery_port};
}

// A key named by the user, by option or environment.
std::string named_key(const Options& options, const Environment& environment) {
    if (!options.key_file.empty()) return options.key_file;
    const std::string file = environment("DDB_CLIENT_KEY");
    if (!file.empty()) return file;
    const std::string dir = environment("DDB_KEY_DIR");
    return dir.empty() ? std::string() : dir + "/client.key";
}

void apply_options(const Options& options, Candidate& candidate) {
    if (!options.cluster.empty()) candidate.cluster = options.cluster;
    if (!options.nodes.empty()) candidate.nodes = options.nodes;
    if (options.discovery_port != 0) candidate.discovery_port = options.discovery_port;
}

// With its own key, but of a known cluster: name, port and nodes are taken from there.
Candidate candidate_with_key(const std::string& key, const std::vector<KnownCluster>& known) {
    std::error_code error;
    for (const KnownCluster& cluster : known) {
        if (cluster.client_key == key || fs::equivalent(cluster.client_key, key, error)) return candidate_of(cluster);
    }
    return {{}, key, {}, default_discovery_port};
}

struct Listener {
    std::size_t candidate;
    bus::ClientKeys keys;
    std::unique_ptr<bus::BeaconSocket> socket;
};

std::vector<Listener> open_listeners(const std::vector<Candidate>& candidates) {
    std::vector<Listener> out;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        const bool insecure = candidates[i].key_file.empty();
        Result<bus::ClientKeys> keys = insecure ? bus::ClientKeys{} : bus::load_client_keys(candidates[i].key_file);
        if (!keys) continue;
        bus::BeaconOptions options;
        options.port = candidates[i].discovery_port;
        options.cluster = candidates[i].cluster;
        options.key = keys->beacon;
        options.listen_only = true;
        // Beacons of other clusters are no news to a client that listens for several.
        auto socket = bus::BeaconSocket::open(options, [](auto&&...) {});
        if (socket) out.push_back({i, *keys, std::move(*socket)});
    }
    return out;
}

struct Heard {
    std::size_t candidate = 0;
    bus::ClientKeys keys;
    std::string cluster;
    std::vector<std::string> nodes;
};

std::optional<Heard> listen(const std::vector<Candidate>& candidates) {
    std::vector<Listener> listeners = open_listeners(candidates);
    std::optional<Heard> heard;
    auto until = Clock::now() + listen_time;
    while (!listeners.empty()) {
        const auto left = std::chrono::duration_cast<milliseconds>(until - Clock::now());
        if (left.count() <= 0) break;
        std::vector<pollfd> fds;
        for (const Listener& listener : listeners) fds.push_back({listener.socket->fd(), POLLIN, 0});
        if (::poll(fds.data(), fds.size(), static_cast<int>(left.count())) < 0) break;  // a signal: the caller looks
        for (Listener& listener : listeners) {
            while (const auto beacon = listener.socket->receive()) {
                if (heard && heard->candidate != listener.candidate) break;
                if (!heard) {
                    heard = Heard{listener.candidate, listener.keys, beacon->cluster, {}};
                    until = std::min(until, Clock::now() + gather_time);
                }
                const std::string address = with_port(beacon->address, beacon->port);
                const bool known = std::find(heard->nodes.begin(), heard->nodes.end(), address) != heard->nodes.end();
                if (!known && !address.empty()) heard->nodes.push_back(address);
            }
        }
    }
    return heard;
}

Result<Target> load_target(const Candidate& candidate) {
    Target target{candidate.cluster, candidate.key_file, std::nullopt, candidate.nodes};
    if (candidate.key_file.empty()) return target;
    Result<bus::ClientKeys> keys = bus::load_client_keys(candidate.key_file);
    if (!keys) return keys.error();
    target.keys = *keys;
    return target;
}

}  // namespace

std::optional<KnownCluster> parse_known_cluster(const std::string& json_text) {
    const json document = json::parse(json_text, nullptr, false);
    if (!document.is_object()) return std::nullopt;
    KnownCluster out;
    const auto text = [&](const char* key) {
        const auto found = document.find(key);
        return found != document.end() && found->is_string() ? found->get<std::string>() : std::string();
    };
    out.name = text("name");
    out.client_key = text("client_key");
    if (const auto nodes = document.find("nodes"); nodes != document.end() && nodes->is_array()) {
        for (const json& node : *nodes) {
            const std::string address =
                node.is_string() ? with_port(node.get<std::string>(), default_port) : std::string();
            if (!address.empty()) out.nodes.push_back(address);
        }
    }
    if (const auto port = document.find("discovery_port"); port != document.end() && port->is_number_unsigned()) {
        const auto value = port->get<std::uint64_t>();
        if (value < 65536) out.discovery_port = static_cast<std::uint16_t>(value);
    }
    if (out.client_key.empty()) return std::nullopt;
    return out;
}

std::vector<KnownCluster> known_clusters(const Environment& environment) {
    std::vector<KnownCluster> out;
    const std::string dir = config_dir(environment);
    if (dir.empty()) return out;
    std::error_code error;
    for (fs::directory_iterator it(dir + "/clusters", error), end; !error && it != end; it.increment(error)) {
        const std::string path = it->path().string();
        if (it->path().extension() != ".json" || !is_file(path)) continue;
        std::error_code size_error;
        if (fs::file_size(path, size_error) > cluster_file_bytes_max || size_error) continue;
        std::ifstream file(path, std::ios::binary);
        const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
        std::optional<KnownCluster> cluster = parse_known_cluster(bytes);
        if (!cluster || !is_file(cluster->client_key)) continue;
        cluster->modified_ns = modified_ns(path);
        out.push_back(std::move(*cluster));
    }
    std::sort(out.begin(), out.end(), [](const KnownCluster& a, const KnownCluster& b) {
        return a.modified_ns != b.modified_ns ? a.modified_ns > b.modified_ns : a.name < b.name;
    });
    return out;
}

Result<std::vector<Candidate>> find_candidates(const Options& options, const Environment& environment) {
    std::vector<Candidate> out;
    const std::vector<KnownCluster> known = known_clusters(environment);
    const std::string named = named_key(options, environment);
    const std::string dir = config_dir(environment);
    if (options.insecure) {
        out.push_back({});
    } else if (!named.empty()) {
        out.push_back(candidate_with_key(named, known));
    } else {
        for (const KnownCluster& cluster : known) {
            if (!options.cluster.empty() && cluster.name != options.cluster) continue;
            if (options.nodes.empty() || lists_one_of(cluster, options.nodes)) out.push_back(candidate_of(cluster));
        }
        const std::array<std::string, 2> places{dir.empty() ? std::string() : dir + "/client.key",
                                                "/etc/ddb/client.key"};
        for (const std::string& file : places) {
            if (is_file(file)) out.push_back({{}, file, {}, default_discovery_port});
        }
    }
    if (out.empty()) {
        const std::string where = dir.empty() ? "" : dir + "/clusters/*.json, " + dir + "/client.key, ";
        return fail(
            ErrorCode::not_found,
            "no client key found: looked at --key, DDB_CLIENT_KEY, DDB_KEY_DIR, " + where +
                "/etc/ddb/client.key; copy client.key from the cluster's key directory, or use --insecure for a "
                "cluster that runs without keys");
    }
    if (out.size() > candidates_max) out.resize(candidates_max);
    for (Candidate& candidate : out) apply_options(options, candidate);
    return out;
}

Result<Target> find_target(const Options& options, const Environment& environment) {
    const auto candidates = find_candidates(options, environment);
    if (!candidates) return candidates.error();
    if (!options.nodes.empty()) return load_target(candidates->front());
    if (const auto heard = listen(*candidates)) {
        const Candidate& candidate = (*candidates)[heard->candidate];
        Target target{heard->cluster, candidate.key_file, std::nullopt, heard->nodes};
        if (!candidate.key_file.empty()) target.keys = heard->keys;
        for (const std::string& node : candidate.nodes) {
            if (std::find(target.nodes.begin(), target.nodes.end(), node) == target.nodes.end())
                target.nodes.push_back(node);
        }
        return target;
    }
    for (const Candidate& candidate : *candidates) {
        if (!candidate.nodes.empty()) return load_target(candidate);
    }
    const Candidate& first = candidates->front();
    if (!first.key_file.empty()) {
        if (const auto keys = bus::load_client_keys(first.key_file); !keys) return keys.error();
    }
    return fail(ErrorCode::timeout, "no node found: no beacon on UDP port " + std::to_string(first.discovery_port) +
                                        " within " + std::to_string(listen_time.count()) +
                                        " ms; name one with -h HOST[:PORT]");
}

}  // namespace ddb::client
