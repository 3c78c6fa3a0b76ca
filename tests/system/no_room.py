#!/usr/bin/python3
"""What one server cannot do at the moment, for want of room, of a lock or of its files, says nothing of the others' databases, nor of its
own: nobody is fenced for it, and nothing takes its place.
"""

import os
import signal
import subprocess
import time

from ddb_cluster import NO_QUORUM, SQL_ERROR, SLOW, STEADY, Cluster, check, equal, fill_disk, main, need, note, wait_until

DISK_MB = 400
DEFINITIONS = ("ALTER TABLE d.wide ADD KEY (v(200))", "ALTER TABLE d.wide MODIFY n BIGINT, ALGORITHM=COPY", "CREATE TABLE d.made (id INT PRIMARY KEY)",
               "CREATE DATABASE made", "CREATE TRIGGER d.tr BEFORE INSERT ON d.wide FOR EACH ROW SET NEW.n = 1")


def fenced(cluster):
    return [node for node in cluster.nodes if "fenced" in cluster.log(node)]


def cancelled_grant():
    """A backup holds the coordinator's server back, and clients give up a GRANT that waits for it there."""
    with Cluster(settings=["election.take_over=false"]) as cluster:
        cluster.sql(1, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY)", "CREATE USER reader@'%' IDENTIFIED BY 'pw'")
        node = cluster.coordinator()
        backup = subprocess.Popen([need("mariadb"), "--no-defaults", "-S", cluster.nodes[node]["mysql_socket"], "-uroot", "-nN"],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            backup.stdin.write(b"FLUSH TABLES WITH READ LOCK; SELECT 1;\n")
            backup.stdin.flush()
            equal(backup.stdout.readline(), b"1\n", "the backup has its lock")
            for grant in ("GRANT SELECT ON d.* TO reader@'%'", "REVOKE ALL ON *.* FROM reader@'%'"):
                answer = cluster.cli(node, grant, timeout=3)
                check(answer.code in (SQL_ERROR, NO_QUORUM), f"{grant} under somebody's lock: {answer}")
        finally:
            backup.communicate(timeout=30 * SLOW)
        cluster.sql(node, "INSERT INTO d.t VALUES (1)")
        cluster.settle()
        equal(fenced(cluster), [], "nodes that were fenced")
        grants = cluster.same("SHOW GRANTS FOR reader@'%'")
        check(not any("`d`" in row[0] for row in grants), f"nothing was granted: {grants}")
        # One that has done a part of its work is still told to all.
        equal(cluster.cli(node, "GRANT SELECT ON d.* TO reader@'%', nobody@'%'").code, SQL_ERROR, "GRANT to an account that is none")
        cluster.settle()
        equal(fenced(cluster), [], "nodes that were fenced")
        cluster.same("SHOW GRANTS FOR reader@'%'")


class SmallDisk(Cluster):
    """The database of node 1 lies on a small file system of its own."""

    def __init__(self):
        super().__init__(settings=STEADY)
        self.place = os.path.join(self.directory, "node-1", "data", "mysql")

    def __enter__(self):
        os.makedirs(self.place)
        subprocess.run([need("mount"), "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=700", "tmpfs", self.place], check=True)
        return super().__enter__()

    def close(self, failed=False):
        self.tool("down", check_exit=False)
        subprocess.run([need("umount"), "-l", self.place], check=False)
        super().close(failed)


def full_disk_of_a_follower():
    """Definitions that its server cannot do now are done when there is room again."""
    if os.getuid() != 0:
        return note("skipped: mounting a small file system needs root")
    with SmallDisk() as cluster:
        cluster.sql(2, "CREATE DATABASE d", "CREATE TABLE d.wide (id INT PRIMARY KEY, v VARCHAR(2000), n INT)",
                    "INSERT INTO d.wide SELECT seq, REPEAT('x', 1500), seq FROM d.seq_1_to_3000")
        if cluster.coordinator() == 1:
            cluster.verb(1, "step-down")
            wait_until(lambda: cluster.coordinator() not in (0, 1), 30, "another node is coordinator")
        node = cluster.coordinator()
        cluster.settle()
        for definition in DEFINITIONS:
            filler = fill_disk(cluster.place)
            try:
                cluster.sql(node, definition, timeout=30)
                time.sleep(2)
            finally:
                os.remove(filler)
            cluster.settle()
            equal(fenced(cluster), [], f"nodes that were fenced by {definition}")
        check("stands still" in cluster.log(1), "node 1 says what it waits for")
        cluster.same_tables("d")


def lost_files():
    """The database of a follower is gone under way, as when its disk is: no empty one takes its place."""
    with Cluster() as cluster:
        cluster.sql(1, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY)", "INSERT INTO d.t VALUES (1)")
        node = cluster.others(cluster.coordinator())[0]
        cluster.settle()
        files = os.path.join(cluster.directory, f"node-{node}", "data", "mysql", "data")
        pid = cluster.verb(node, "status").last["mysql_pid"]
        os.rename(files, files + ".away")
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: "is gone" in cluster.log(node), 30, f"node {node} says what is missing")
        cluster.sql(cluster.coordinator(), "INSERT INTO d.t VALUES (2)")
        time.sleep(12 * SLOW)
        check(not os.path.exists(files), "nothing was made in its place")
        equal(cluster.log(node).count("is gone"), 1, "it is said once")
        os.rename(files + ".away", files)
        cluster.settle()
        equal(fenced(cluster), [], "nodes that were fenced")
        cluster.same_tables("d")


if __name__ == "__main__":
    main(cancelled_grant, full_disk_of_a_follower, lost_files)
