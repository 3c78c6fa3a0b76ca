// Donor: serves dumps of our database to nodes that ask for one. Speaks only when spoken to. From before a dump's
// snapshot until its end no definition takes effect here: a dump would come out wrong without a word (FACTS 38).
// Owner: the loop thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "node/storage/dump_source.hpp"
#include "node/transfer.hpp"
#include "node/transfer_pace.hpp"

namespace ddb::node {

class TransferDonor {
  public:
    explicit TransferDonor(TransferHost& host) : host_(host) {}
    ~TransferDonor();

    void on_open(NodeId from, const TransferOpen& open);
    void on_pull(NodeId from, const TransferPull& pull);
    void on_header_request(NodeId from, const TransferHeaderRequest& request);
    void on_close(NodeId from, const TransferClose& close);
    void tick(std::uint64_t now_ms);
    void pump();
    void end_all(const std::string& reason, bool unfinished_only);
    void add_status(std::vector<TransferStatus>& out) const;

  private:
    struct Serving {
        NodeId peer;
        std::uint64_t transfer = 0;
        bool with_root = false;
        bool held = true;                             // definitions wait for it
        std::unique_ptr<storage::DumpSource> source;  // null until nothing is under way any more
        std::uint64_t sent = 0;                       // next chunk to send
        std::uint64_t allowed = 0;                    // the receiver has room below this one
        std::uint64_t bytes_sent = 0;
        std::uint64_t begun_ms = 0;
        std::uint64_t heard_ms = 0;
        LogIndex pinned;
        std::size_t notes_told = 0;
    };
    [[nodiscard]] Serving* find(NodeId peer, std::uint64_t transfer);
    void send_state(const Serving& serving);
    void refuse(NodeId peer, std::uint64_t transfer, const std::string& reason);
    // False: it came to an end.
    bool advance(Serving& serving);
    bool send_chunks(Serving& serving);
    void release(Serving& serving);
    void update_holds();
    void set_pace();

    TransferHost& host_;
    std::map<std::uint64_t, Serving> serving_;  // by transfer
    bool holding_ = false;
    LogIndex pinned_;
    std::uint64_t now_ms_ = 0;
    TransferPace pace_;
    IdleMeter idle_;
    std::uint64_t paced_ms_ = 0;
    std::uint64_t work_then_ = 0;
    Retired retired_;
};

}  // namespace ddb::node
