// Runs golden scripts: commands in, every effect out. README of the language in script.cpp. One script, one cluster.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "node/core/core.hpp"
#include "tests/simulator/sim_journal.hpp"

namespace ddb::golden {

class Script {
  public:
    Script();
    ~Script();
    // One command line without its ">"; returns the lines of output it caused.
    std::vector<std::string> run(const std::string& command);

  private:
    struct Node {
        NodeId id;
        Incarnation incarnation;
        std::uint64_t boots = 0;
        simulator::JournalImage journal;
        std::deque<core::JournalWrite> writes;  // under way
        bool manual_journal = false;
        core::LocalReport local;
        bool report_due = false;
        bool refuse_formation = false;
        bool has_user_data = false;
        bool rebuild_at_start = false;
        Incarnation saved_incarnation;
        simulator::JournalImage saved_journal;
        LogIndex saved_applied;
        std::unique_ptr<core::Core> core;
        std::map<NodeId, std::string> last_vote;        // shown, by receiver
        std::map<NodeId, std::uint64_t> decided_shown;  // by receiver
        std::uint64_t next_token = 1;
    };
    using Words = std::istringstream;

    void setup(const std::string& verb, Words& words);
    bool configure(const std::string& verb, Words& words);
    bool faults(const std::string& verb, Words& words);
    bool inputs(const std::string& verb, Words& words);
    bool membership(const std::string& verb, Words& words);
    bool transfer(const std::string& verb, Words& words);
    static core::RecoveredState recover(const simulator::JournalImage& journal);
    void set_log(Node& node, Words& words);
    void start(Node& node);
    static void propose(Node& node, const std::string& text);
    static void propose(Node& node, Entry entry);
    void tick(std::uint64_t count);
    void complete(Node& node, Words& words);
    void deliver(Words& words, bool keep);
    void settle();
    void take(Node& node);
    void perform(Node& node, core::Effect& effect);
    void transmit(Node& node, core::Send& send);
    void report(Node& node);
    bool hidden(Node& node, const core::Send& send);
    void print(const Node& node, const std::string& text);
    void status();
    Node& node_of(Words& words);

    std::map<NodeId, Node> nodes_;
    std::uint32_t expect_ = 3;
    std::uint64_t tick_ = 0;
    bool manual_network_ = false;
    std::optional<DumpPoint> dump_;
    bool verbose_status_ = false;
    std::size_t kept_entries_max_ = 20'000;
    std::size_t kept_entries_hard_max_ = 1'000'000;
    std::uint64_t kept_bytes_hard_max_ = 1u << 30;
    std::set<std::pair<NodeId, NodeId>> cut_;
    struct Packet {
        Voter from;  // under the name it had when it spoke
        NodeId to;
        PeerMessage message;
    };
    std::deque<Packet> network_;
    std::vector<std::string> output_;
};

}  // namespace ddb::golden
