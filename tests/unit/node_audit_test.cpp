// What an audit makes of the nodes' digests.
#include <catch2/catch.hpp>

#include "node/audit_compare.hpp"

namespace ddb::node {
namespace {

AuditedTable table(const std::string& name, std::vector<std::uint64_t> chunks, std::uint8_t definition = 1) {
    AuditedTable out;
    out.name = name;
    out.definition.bytes[0] = definition;
    out.rows = 2000 * chunks.size();
    out.chunks = std::move(chunks);
    return out;
}

AuditReport report(std::uint32_t node, std::vector<AuditedTable> tables, bool voter = true) {
    return AuditReport{NodeId{node}, voter, {}, std::move(tables)};
}

TEST_CASE("equal tables differ in nothing", "[audit]") {
    const std::vector<AuditedTable> all = {table("a", {1, 2}), table("b", {})};
    const auto result = compare({report(1, all), report(2, all), report(3, all)}, 2);
    CHECK(result.differences.empty());
    CHECK(result.unclear.empty());
    CHECK(result.minority.empty());
    CHECK(result.tables == 2);
    CHECK(result.rows == 4000);
}

TEST_CASE("the node that differs from a majority is named, with the first chunk that differs", "[audit]") {
    const auto result = compare(
        {report(1, {table("a", {1, 2, 3})}), report(2, {table("a", {1, 9, 8})}), report(3, {table("a", {1, 2, 3})})},
        2);
    REQUIRE(result.differences.size() == 1);
    CHECK(result.differences[0].node == NodeId{2});
    CHECK(result.differences[0].table == "a");
    CHECK(result.differences[0].chunk == 2);
    CHECK(result.minority == std::vector<NodeId>{NodeId{2}});
}

TEST_CASE("a missing chunk at the end is a difference", "[audit]") {
    const auto result =
        compare({report(1, {table("a", {1, 2})}), report(2, {table("a", {1})}), report(3, {table("a", {1, 2})})}, 2);
    REQUIRE(result.differences.size() == 1);
    CHECK(result.differences[0].chunk == 2);
}

TEST_CASE("tables that are missing, too many or defined otherwise are differences", "[audit]") {
    const auto result =
        compare({report(1, {table("a", {1}), table("x", {1})}), report(2, {}), report(3, {table("a", {1})}),
                 report(4, {table("a", {1}, 2)}), report(5, {table("a", {1})})},
                3);
    REQUIRE(result.differences.size() == 3);
    CHECK(result.differences[0].what == "is missing");
    CHECK(result.differences[1].what == "has another definition");
    CHECK(result.differences[2].what == "is not in the log's database");
    CHECK(result.minority == std::vector<NodeId>{NodeId{1}, NodeId{2}, NodeId{4}});
}

TEST_CASE("without a majority nobody is to be rebuilt", "[audit]") {
    const auto three =
        compare({report(1, {table("a", {1})}), report(2, {table("a", {2})}), report(3, {table("a", {3})})}, 2);
    REQUIRE(three.differences.size() == 1);
    CHECK_FALSE(three.differences[0].node);
    CHECK(three.minority.empty());
    // Two of three that differ, the third away.
    AuditReport away = report(3, {});
    away.failed = "down";
    const auto two = compare({report(1, {table("a", {1})}), report(2, {table("a", {2})}), away}, 2);
    CHECK(two.differences.size() == 1);
    CHECK(two.minority.empty());
}

TEST_CASE("a learner's word does not count, and it may be the one that is wrong", "[audit]") {
    const auto split =
        compare({report(1, {table("a", {1})}), report(2, {table("a", {2})}), report(3, {table("a", {2})}, false)}, 2);
    CHECK(split.minority.empty());
    const auto wrong =
        compare({report(1, {table("a", {1})}), report(2, {table("a", {1})}), report(3, {table("a", {2})}, false)}, 2);
    CHECK(wrong.minority == std::vector<NodeId>{NodeId{3}});
}

TEST_CASE("what changed meanwhile, or was left out, convicts nobody", "[audit]") {
    AuditedTable unsteady = table("a", {2});
    unsteady.unsteady = true;
    const auto changed =
        compare({report(1, {unsteady}), report(2, {table("a", {1})}), report(3, {table("a", {1})})}, 2);
    CHECK(changed.differences.empty());
    CHECK(changed.unclear.size() == 1);
    AuditedTable left_out = table("a", {});
    left_out.left_out = "altered";
    const auto other = compare({report(1, {left_out}), report(2, {table("a", {1})}), report(3, {table("a", {1})})}, 2);
    CHECK(other.differences.empty());
    CHECK(other.unclear.size() == 1);
}

}  // namespace
}  // namespace ddb::node
