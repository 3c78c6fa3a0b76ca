// What follows from the tables that the nodes digested at one index. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "schemas/audit_messages.hpp"
#include "schemas/ids.hpp"

namespace ddb::node {

struct AuditReport {
    NodeId node;
    bool voter = true;
    std::string failed;  // why there is nothing to compare; empty: `tables` is complete
    std::vector<AuditedTable> tables;
};

struct AuditDifference {
    std::string table;
    NodeId node;            // that differs from a majority; 0: no majority agrees
    std::string what;       // in words
    std::size_t chunk = 0;  // first that differs, from 1; 0: not a matter of rows
};

struct AuditComparison {
    std::size_t tables = 0;
    std::uint64_t rows = 0;  // of the largest report
    std::vector<AuditDifference> differences;
    std::vector<std::string> unclear;  // "table: why": definitions changed, or a node left it out
    std::vector<NodeId> minority;      // ascending, each once
};

[[nodiscard]] std::string describe(const AuditDifference& difference);  // for the log

// `quorum`: so many voters that agree are right.
[[nodiscard]] AuditComparison compare(const std::vector<AuditReport>& reports, std::size_t quorum);

}  // namespace ddb::node
