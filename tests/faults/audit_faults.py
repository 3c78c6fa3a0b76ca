"""Writes straight into a node's server: found by the audit, on followers and on the coordinator, and repaired."""

from ddb_cluster import OK, note, numbers, wait_until

TABLE = "faults.behind"


def direct_writes(run):
    run.cluster.sql(1, f"CREATE TABLE {TABLE} (id INT PRIMARY KEY, v INT)",
                    f"INSERT INTO {TABLE} SELECT seq, 0 FROM {numbers(5000, 'faults')}")
    for turn in run.rounds(2, 6):
        node = run.follower() if turn % 2 == 0 else run.coordinator()
        traced = turn % 4 in (1, 2)
        row = run.random.randrange(1, 5001)
        run.catch_up(node)
        run.fault(f"row {row} changed in the server of node {node}{', ' + ('coordinator' if turn % 2 else 'a follower')}, "
                  f"{'seen in' if traced else 'hidden from'} its binary log")
        seen = run.cluster.log(node).count("fenced, nothing more")
        run.cluster.mysql(node, ("" if traced else "SET sql_log_bin=0; ") + f"UPDATE {TABLE} SET v = v + 1 WHERE id = {row}")
        if not traced:
            found = wait_until(lambda: audited(run), 60, "an audit").last
            if [one["node"] for one in found["differences"]] != [node]:
                run.extra.append(f"the audit found {found['differences']}, node {node} was written to")
        wait_until(lambda: run.cluster.log(node).count("fenced, nothing more") > seen, 60, f"node {node} is fenced")
        wait_until(lambda: whole(run, node), 120, f"node {node} is loaded anew")
        run.load.await_served()
        run.work()
    last = wait_until(lambda: audited(run), 60, "an audit").last
    note(f"   in the end: {last['tables']} tables, {last['rows']} rows, differences {last['differences']}, unclear {last['unclear']}")
    if last["differences"]:
        run.extra.append(f"the nodes differ in the end: {last['differences']}")


def audited(run):
    answer = run.cluster.verb(run.coordinator(), "audit", timeout=60)
    return answer if answer.code in (OK, 1) and answer.last.get("nodes") == sorted(run.cluster.nodes) else None


def whole(run, node):
    said = run.cluster.verb(node, "status", timeout=2).last
    return (said.get("rebuilding") is False and not said.get("fenced") and said.get("role") in ("follower", "coordinator")
            and not said.get("transfers") and said.get("applied", -1) >= said.get("decided", 0))
