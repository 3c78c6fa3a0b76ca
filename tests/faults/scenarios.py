"""The named faults by number. Numbers stay what they are."""

import audit_faults
import failpoint_faults
import host_faults
import identity_faults
import member_faults
import network
import network_faults
import node_faults
import transfer_faults
from clients import RegisterClient, SerialClient, UpdateClient
from run import Scenario


def in_network(number, title, act):
    return Scenario(number, title, act, network=True, missing=network.impossible)


SCENARIOS = {one.number: one for one in [
    Scenario(1, "coordinator killed under writes", node_faults.coordinator_killed),
    Scenario(2, "all nodes and servers killed", node_faults.all_killed),
    in_network(3, "coordinator cut off, clients attached", network_faults.coordinator_cut_off),
    Scenario(4, "coordinator paused and resumed", node_faults.coordinator_paused),
    in_network(5, "one-way and ring partitions", network_faults.one_way_and_ring),
    in_network(6, "flapping highest id", network_faults.flapping),
    Scenario(7, "crash at every failpoint of the commit", failpoint_faults.commit_steps),
    Scenario(8, "database server killed", node_faults.server_killed),
    in_network(9, "node killed between commit and answer", node_faults.answer_lost),
    in_network(10, "TCP resets in mid-batch", network_faults.resets),
    Scenario(11, "torn journal tail, flipped bit", host_faults.damaged_journal),
    Scenario(12, "full disk of journal and database", host_faults.full_disks, cluster=host_faults.SmallDisks,
             missing=host_faults.mounting_impossible),
    Scenario(13, "disk wiped, same id", transfer_faults.wiped),
    Scenario(14, "old copy of a data directory restored", transfer_faults.old_copies),
    Scenario(15, "two nodes, one id", identity_faults.two_with_one_id),
    Scenario(16, "follower away past truncation, donor killed", transfer_faults.away_and_donor_killed,
             cluster=transfer_faults.ShortLogs),
    Scenario(17, "wall clock off by an hour", host_faults.jumping_clock, cluster=host_faults.OtherClocks,
             missing=host_faults.faketime_missing),
    Scenario(18, "slow follower, full queues", host_faults.slow_follower),
    Scenario(19, "direct write behind ddb's back", audit_faults.direct_writes),
    Scenario(20, "crash during DDL on the coordinator", failpoint_faults.definition_steps),
    Scenario(21, "wrong keys, forged and replayed beacons, frames", host_faults.strangers),
    Scenario(22, "read-modify-write from all nodes at once", node_faults.updates_at_once,
             parts=((UpdateClient, RegisterClient), (SerialClient, RegisterClient))),
    Scenario(23, "members added and removed under load", member_faults.added_and_removed),
]}
