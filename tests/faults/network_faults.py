"""Faults of the network between nodes."""

import time

from ddb_cluster import note

# Who no longer hears whom; 0 is the coordinator, 1 and 2 are the others.
PARTITIONS = [("hears no other node but is heard", [(0, 1), (0, 2)]),
              ("is not heard but hears", [(1, 0), (2, 0)]),
              ("hears and is heard by one of the others only", [(0, 1), (1, 0)]),
              ("and the others hear each other in a ring only", [(0, 1), (1, 2), (2, 0)])]


def coordinator_cut_off(run):
    for _ in run.rounds(1, 5):
        node = run.coordinator()
        run.work()
        run.fault(f"node {node}, the coordinator, hears no other node for a while, and none hears it; clients hear all")
        run.cluster.network.cut(node, run.cluster.others(node))
        note(f"   next write that began then was acknowledged after {run.load.await_served():.2f} s")
        time.sleep(run.random.uniform(2, run.seconds(3, 10)))
        run.cluster.network.heal()
        run.recovered()


def one_way_and_ring(run):
    network = run.cluster.network
    for _ in run.rounds(1, 3):
        for text, deaf in PARTITIONS:
            coordinator = run.coordinator()
            members = [coordinator, *run.cluster.others(coordinator)]
            run.work()
            run.fault(f"node {coordinator}, the coordinator, {text}")
            for node, source in deaf:
                network.deafen(members[node], members[source])
            time.sleep(run.random.uniform(2, run.seconds(3, 8)))
            network.heal()
            run.load.await_served()


def flapping(run):
    highest = max(run.cluster.nodes)
    for _ in run.rounds(6, 30):
        run.fault(f"cable of node {highest} out and in")
        run.cluster.network.cable(highest, "down")
        run.work(0.2, 1.5)
        run.cluster.network.cable(highest, "up")
        run.work(0.2, 1.5)


def resets(run):
    for _ in run.rounds(4, 30):
        node = run.random.choice(list(run.cluster.nodes))
        run.fault(f"connections of node {node} reset")
        run.cluster.network.reset(node)
        run.work(0.3, 1.0)
