#include "node/audit_compare.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace ddb::node {
namespace {

struct View {  // of one table by one node
    NodeId node;
    bool voter = true;
    const AuditedTable* table = nullptr;  // null: the node has no such table
};

bool same(const View& a, const View& b) {
    if (a.table == nullptr || b.table == nullptr) return a.table == b.table;
    return a.table->definition == b.table->definition && a.table->rows == b.table->rows &&
           a.table->chunks == b.table->chunks;
}

AuditDifference difference_of(const std::string& name, const View& one, const AuditedTable* right) {
    AuditDifference out{name, one.node, {}, 0};
    if (one.table == nullptr) {
        out.what = "is missing";
    } else if (right == nullptr) {
        out.what = "is not in the log's database";
    } else if (one.table->definition != right->definition) {
        out.what = "has another definition";
    } else {
        const auto& mine = one.table->chunks;
        const auto& theirs = right->chunks;
        const auto at = std::mismatch(mine.begin(), mine.end(), theirs.begin(), theirs.end());
        out.chunk = static_cast<std::size_t>(at.first - mine.begin()) + 1;
        out.what = "has other rows";
        if (one.table->rows != right->rows)
            out.what +=
                ": " + std::to_string(one.table->rows) + ", where the others have " + std::to_string(right->rows);
    }
    return out;
}

void compare_table(const std::string& name, const std::vector<View>& views, std::size_t quorum, AuditComparison& result,
                   std::set<NodeId>& minority) {
    if (std::all_of(views.begin(), views.end(), [&](const View& view) { return same(view, views.front()); })) return;
    // What changed on one server while it was read says nothing about the others.
    if (std::any_of(views.begin(), views.end(),
                    [](const View& view) { return view.table != nullptr && view.table->unsteady; })) {
        result.unclear.push_back(name + ": definitions changed meanwhile");
        return;
    }
    const auto right = std::find_if(views.begin(), views.end(), [&](const View& view) {
        return static_cast<std::size_t>(std::count_if(views.begin(), views.end(), [&](const View& other) {
                   return other.voter && same(view, other);
               })) >= quorum;
    });
    if (right == views.end()) {
        result.differences.push_back({name, NodeId{}, "differs, and no majority agrees", 0});
        return;
    }
    for (const View& view : views) {
        if (same(view, *right)) continue;
        result.differences.push_back(difference_of(name, view, right->table));
        minority.insert(view.node);
    }
}

}  // namespace

std::string describe(const AuditDifference& difference) {
    return "table " + difference.table + (difference.node ? " of node " + to_string(difference.node) : std::string()) +
           (difference.chunk != 0 ? ", chunk " + std::to_string(difference.chunk) : std::string()) + " " +
           difference.what;
}

AuditComparison compare(const std::vector<AuditReport>& reports, std::size_t quorum) {
    AuditComparison result;
    std::map<std::string, std::map<NodeId, const AuditedTable*>> tables;
    for (const AuditReport& report : reports) {
        std::uint64_t rows = 0;
        for (const AuditedTable& table : report.tables) {
            tables[table.name][report.node] = &table;
            rows += table.rows;
        }
        result.rows = std::max(result.rows, rows);
    }
    std::set<NodeId> minority;
    result.tables = tables.size();
    for (const auto& [name, found] : tables) {
        std::vector<View> views;
        for (const AuditReport& report : reports) {
            if (!report.failed.empty()) continue;
            const auto mine = found.find(report.node);
            const View view{report.node, report.voter, mine == found.end() ? nullptr : mine->second};
            if (view.table == nullptr || view.table->left_out.empty()) {
                views.push_back(view);
            } else {
                result.unclear.push_back(name + ": left out by node " + to_string(report.node) + ", " +
                                         view.table->left_out);
            }
        }
        if (!views.empty()) compare_table(name, views, quorum, result, minority);
    }
    result.minority.assign(minority.begin(), minority.end());
    return result;
}

}  // namespace ddb::node
