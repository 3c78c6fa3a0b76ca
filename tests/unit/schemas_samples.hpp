// One well-filled message of every kind, for tests that must not forget one.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "schemas/codec.hpp"

namespace ddb::samples {

inline Digest digest(std::uint8_t fill) {
    Digest d;
    d.bytes.fill(fill);
    return d;
}
inline SessionId session() {
    SessionId s;
    for (std::size_t i = 0; i < s.bytes.size(); ++i) s.bytes[i] = static_cast<std::uint8_t>(0xF0U + i);
    return s;
}
inline ClusterUuid uuid() {
    ClusterUuid u;
    u.bytes.fill(0x5A);
    return u;
}

inline Entry entry() {
    Entry e;
    e.id = {Epoch{7}, LogIndex{1ULL << 40U}};
    e.kind = EntryKind::rows;
    e.txn = {Epoch{7}, 99};
    e.session = session();
    e.request = RequestNumber{12};
    e.statement_count = 3;
    e.row_count = 70000;
    e.created_at_us = 1'700'000'000'000'000;
    e.outcome = {5, 1ULL << 63U, 2, 1062, "Rows matched: 5"};
    e.payload = Payload(std::string("events\0with zero", 16));
    e.digest = digest(0xAB);
    return e;
}
inline Membership membership() {
    return {uuid(),
            {{{NodeId{1}, Incarnation{11}}, false, "10.0.0.1:6000"}, {{NodeId{65535}, Incarnation{22}}, true, ""}}};
}
inline StatementPayload statement() {
    return {"events", "CREATE TABLE t (a INT)", "db", 1050, true, PartsRange{LogIndex{7}, 3}};
}

inline Snapshot snapshot() {
    Snapshot s;
    s.last = {Epoch{7}, LogIndex{1ULL << 33U}};
    s.digest = digest(0xCD);
    s.membership = membership();
    s.outcomes_floor = LogIndex{1ULL << 32U};
    s.forgotten = {Epoch{6}, 5};
    s.outcomes = {{{Epoch{6}, LogIndex{5}}, {Epoch{6}, 7}, session(), RequestNumber{9}, {1, 2, 3, 4, "info"}}, {}};
    return s;
}

inline std::vector<PeerMessage> peer_messages() {
    Prepare prepare{Epoch{7},     {Epoch{6}, LogIndex{41}},
                    digest(1),    {entry(), entry(), Entry{}},
                    LogIndex{40}, LogIndex{3},
                    ReadRound{9}, LogIndex{39}};
    return {
        Hello{{NodeId{3}, Incarnation{4}}, 3, true, uuid(), "127.0.0.1:6000", true, false},
        FormationSignature{membership()},
        Probe{Epoch{1}, {Epoch{1}, LogIndex{300}}, false},
        ProbeReply{Epoch{1}, false, true, "hears a coordinator"},
        GrantRequest{Epoch{2}, {Epoch{1}, LogIndex{70000}}},
        GrantReply{Epoch{2}, true, "because"},
        HandOver{Epoch{UINT64_MAX}, {Epoch{1}, LogIndex{UINT64_MAX}}},
        prepare,
        Vote{Epoch{7}, true, VoteReason::journal_full, LogIndex{44}, ReadRound{9}, LogIndex{43}, LogIndex{42}, false},
        ReadIndexRequest{ReadToken{5}, Epoch{7}},
        ReadIndexReply{ReadToken{5}, Epoch{7}, true, LogIndex{44}},
        MembershipNotice{{Epoch{7}, LogIndex{45}}, membership()},
        SnapshotRequest{"diverged", NodeId{3}},
        SnapshotOffer{Epoch{7}, NodeId{2}, LogIndex{1000}},
    };
}

inline std::vector<TransferMessage> transfer_messages() {
    TransferChunk chunk{9, 3, true, {}, Payload(std::string("INSERT\0", 7))};
    chunk.digest = transfer_chunk_digest(chunk);
    return {
        TransferOpen{9, true},
        TransferPull{9, 4, 8, true},
        TransferState{9, TransferPhase::running, "in words", 1ULL << 40U},
        chunk,
        TransferHeaderRequest{9, LogIndex{490}, {1, 2, 1ULL << 63U}},
        TransferHeader{9, std::nullopt, {EntryId{Epoch{3}, LogIndex{491}}, snapshot()}, {entry()}},
        TransferHeader{9, Error{ErrorCode::not_found, "entry 490 is not kept", 0, ""}, {}, {}},
        TransferClose{9, "donor lost"},
    };
}

inline std::vector<AuditMessage> audit_messages() {
    const AuditedTable table{"`d`.`t`", "", true, snapshot().digest, 2001, {1, 1ULL << 63U}};
    return {
        AuditAsk{LogIndex{77}, 3},
        AuditFound{LogIndex{77}, AuditPhase::finished, "", 3, true, {table, {"`d`.`u`", "no key", false, {}, 0, {}}}},
        AuditFound{LogIndex{77}, AuditPhase::failed, "server lost", 0, false, {}},
        AuditVerdict{LogIndex{77}, "table `d`.`t`, chunk 1"},
        AuditWish{"a foreign write"},
    };
}

inline std::vector<SessionMessage> session_messages() {
    const Error error{ErrorCode::sql, "Duplicate entry", 1062, "23000"};
    ResultEnd end;
    end.session = session();
    end.request = RequestNumber{3};
    end.more = true;
    end.error = error;
    end.outcome = {1, 2, 3, 4, "info"};
    end.status_flags = 2;
    end.node = NodeId{2};
    end.coordinator = NodeId{3};
    end.txn = {Epoch{1}, 2};
    end.index = LogIndex{55};
    end.replicated_on = 3;
    end.members = 3;
    end.database = "db";
    end.redirected = true;
    end.rows = 12;
    end.parameters = 3;
    end.wait_timeout_s = 60;
    ResultEnd plain;
    plain.session = session();
    return {
        OpenSession{session(), "root", "secret", "db", "test 1.0", true, 46, false, std::nullopt, "10.1.2.3", 40000,
                    false, true, true},
        SessionOpened{session(), false, error, NodeId{1}, NodeId{2}, "127.0.0.2:6000", "10.11", 77, LogIndex{12}, 60},
        Execute{session(), RequestNumber{3}, std::string("SELECT '\0\xFF'", 11), Consistency::local, WriteConcern::all,
                5000, LogIndex{9}, true, 1, true, std::nullopt},
        Execute{session(), RequestNumber{4}, "LOAD", Consistency::local, WriteConcern::all, 5000, LogIndex{9}, true, 1,
                false, std::string("1\t\0", 3), Begin::read_only},
        Execute{session(), RequestNumber{4}, "LOAD", Consistency::local, WriteConcern::all, 5000, LogIndex{9}, true, 1,
                false, std::nullopt, Begin::none, FilePieces::follow, "1\t"},
        FileWanted{session(), RequestNumber{4}, "a.csv", 0, true},
        FileWanted{session(), RequestNumber{4}, "", 1u << 30, true},
        FileContent{session(), RequestNumber{4}, std::nullopt, std::string("1\t\0", 3), 0, false},
        FileContent{session(), RequestNumber{4}, std::nullopt, "1\t", 1u << 30, true},
        FileContent{session(), RequestNumber{4}, error, "", 0, false},
        ResultHeader{session(),
                     RequestNumber{3},
                     {{"a", "t", "db", 255, 63, 1, 11, 0, "x", "u", "point", "wkb"},
                      {"b", "", "", 253, 45, 0, 1024, 31, "", "", "", ""}}},
        ResultRows{session(), RequestNumber{3}, 2, std::string("\x01\x31\xFB\x02hi", 6)},
        end,
        plain,
        Credit{session(), RequestNumber{3}, 4096},
        Cancel{session(), RequestNumber{3}},
        CloseSession{session()},
        Ping{},
        VerbRequest{1, "txn", {"TXN-1-2", ""}, 100},
        VerbReply{1, error, ""},
        VerbReply{2, std::nullopt, "{\"a\":1}"},
        OpenSession{session(), "root", "", "", "", false, 0, true, ReadBalance::least_loaded, "", 0, false, false,
                    false},
        LoadAsk{},
        LoadNotice{true, 12},
    };
}

inline Announcement announcement() {
    return {NodeId{1}, "follower", Epoch{3}, NodeId{2}, LogIndex{9}, LogIndex{8}, LogIndex{7}, true, 4, 100, "started"};
}

// Every message as (kind, bytes).
inline std::vector<std::pair<MessageKind, std::string>> encoded() {
    std::vector<std::pair<MessageKind, std::string>> all;
    for (const auto& message : peer_messages()) all.emplace_back(kind_of(message), encode(message));
    for (const auto& message : transfer_messages()) all.emplace_back(kind_of(message), encode(message));
    for (const auto& message : audit_messages()) all.emplace_back(kind_of(message), encode(message));
    for (const auto& message : session_messages()) all.emplace_back(kind_of(message), encode(message));
    all.emplace_back(MessageKind::announcement, encode(announcement()));
    return all;
}

}  // namespace ddb::samples
