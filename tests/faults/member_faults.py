"""Members added and removed while clients work, with a crash in between."""

from ddb_cluster import NO_QUORUM, OK, UNKNOWN, check, note, wait_until


def change(run, *words):
    """A verb until it is done; one whose outcome is unknown is asked for again, and then may be done already."""
    def done():
        ask = wait_until(lambda: run.cluster.coordinator(1), 30, "a coordinator")
        answer = run.cluster.verb(ask, *words, timeout=10)
        if answer.code in (NO_QUORUM, UNKNOWN):
            return False
        already = "member already" in answer.errors or "is no member" in answer.errors
        check(answer.code == OK or already, f"{' '.join(words)}: {answer}")
        return True
    wait_until(done, 90, " ".join(words))


def voters(run):
    return run.cluster.verb(1, "status", timeout=2).last.get("voters") or []


def gone(run):
    """Nodes that were members, wiped by now; the cluster may serve several runs."""
    return run.cluster.__dict__.setdefault("gone", {})


def bring(run, node):
    """A fresh node; one that was a member before has been wiped."""
    if str(node) in run.cluster.record()["nodes"]:
        run.cluster.nodes[node] = gone(run).pop(node)
        run.cluster.start(node, wait=False)
    else:
        run.cluster.grow(node)


def leave(run, node):
    change(run, "remove", str(node))
    wait_until(lambda: node not in (voters(run) or [node]), 60, f"node {node} is no voter")
    run.cluster.tool("stop", node)
    run.cluster.tool("wipe", node)
    gone(run)[node] = run.cluster.nodes.pop(node)


def added_and_removed(run):
    """3 nodes, 5, 3 again; now and then the coordinator dies while a node is on its way in."""
    for turn in run.rounds(1, 4):
        for node in (4, 5):
            bring(run, node)
            run.work()
            run.fault(f"node {node} added")
            change(run, "add", f"{run.cluster.nodes[node]['address']}:{run.cluster.port}")
            if node == 5:
                victim = wait_until(lambda: run.cluster.coordinator(1), 30, "a coordinator")
                run.fault(f"node {victim}, the coordinator, killed meanwhile")
                run.kill(victim)
                run.load.await_served()
                run.cluster.start(victim, wait=False)
            wait_until(lambda: node in voters(run), 120, f"node {node} becomes a voter")
        note(f"   voters {voters(run)}")
        run.work()
        for node in (5, 4) if turn % 2 == 0 else (4, 5):
            run.fault(f"node {node} removed")
            leave(run, node)
            run.load.await_served()
