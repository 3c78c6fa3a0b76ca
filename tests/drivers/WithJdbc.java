// JDBC by Debian's libmariadb-java, with and without statements prepared by the server, then on while a node dies.
// java WithJdbc.java DATABASE STOP-FILE HOST:PORT…   (see tests/system/drivers.py)
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.SQLIntegrityConstraintViolationException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Timestamp;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;

public class WithJdbc {
    static String database;
    static Deque<String> places;
    // In front of MySQL, as MySQL itself wants it.
    static final String OF_SERVER = System.getenv("DDB_SERVER") == null ? "" : "&allowPublicKeyRetrieval=true";

    static void want(boolean is, String what) throws Exception {
        if (!is) throw new Exception(what);
    }

    static Connection connect(String options) throws Exception {
        for (int i = 0; i < 100; i++) {
            try {
                return DriverManager.getConnection("jdbc:mariadb://" + places.peek() + "/" + database + "?connectTimeout=10000" + options + OF_SERVER, "app", "secret");
            } catch (SQLException e) {
                places.add(places.poll());
            }
        }
        throw new Exception("no node takes a connection");
    }

    static void firstSteps(String options) throws Exception {
        try (Connection c = connect(options); Statement s = c.createStatement()) {
            c.setAutoCommit(true);
            s.execute("DROP TABLE IF EXISTS jdbc");
            s.execute("CREATE TABLE jdbc (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(20) UNIQUE, d DOUBLE, t TIMESTAMP(6) NULL, b BLOB)");
            PreparedStatement p = c.prepareStatement("INSERT INTO jdbc (v, d, t, b) VALUES (?, ?, ?, ?)", Statement.RETURN_GENERATED_KEYS);
            for (int i = 0; i < 30; i++) {
                p.setString(1, "é" + i);
                p.setDouble(2, i / 3.0);
                p.setTimestamp(3, new Timestamp(1700000000123L));
                p.setBytes(4, new byte[] {0, 1, (byte) 255});
                p.addBatch();
            }
            want(p.executeBatch().length == 30, "batch");
            p.setString(1, "one");
            p.executeUpdate();
            ResultSet keys = p.getGeneratedKeys();
            want(keys.next() && keys.getInt(1) >= 31, "key");
            c.setAutoCommit(false);
            s.executeUpdate("DELETE FROM jdbc");
            Savepoint before = c.setSavepoint("x");
            c.rollback(before);
            c.rollback();
            ResultSet r = s.executeQuery("SELECT COUNT(*) FROM jdbc");
            want(r.next() && r.getInt(1) == 31, "count");
            c.commit();
            c.setAutoCommit(true);
            p = c.prepareStatement("SELECT * FROM jdbc WHERE d > ? ORDER BY id");
            p.setFetchSize(5);
            p.setDouble(1, 1.4);
            r = p.executeQuery();
            int rows = 0;
            for (; r.next(); rows++) want(r.getBytes(5).length == 3 && r.getTimestamp(4).getTime() == 1700000000123L, "row");
            want(rows == 26, rows + " rows");
            try {
                s.execute("INSERT INTO jdbc (v) VALUES ('one')");
                throw new Exception("the key was taken twice");
            } catch (SQLIntegrityConstraintViolationException e) {
                want(e.getErrorCode() == 1062, e.toString());
            }
            c.setReadOnly(true);
            s.executeQuery("SELECT 1");
            c.setReadOnly(false);
            c.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
            want(c.getTransactionIsolation() == Connection.TRANSACTION_SERIALIZABLE, "isolation");
            r = c.getMetaData().getColumns(database, null, "jdbc", null);
            for (rows = 0; r.next();) rows++;
            want(rows == 5 && c.isValid(5), "columns");
            s.setQueryTimeout(5);
            s.execute("SELECT SLEEP(0.01)");
        }
    }

    static Connection write(Connection c, int number) throws Exception {
        while (true) {
            try (PreparedStatement p = c.prepareStatement("INSERT INTO written VALUES ('jdbc', ?)")) {
                p.setInt(1, number);
                p.executeUpdate();
                return c;
            } catch (SQLIntegrityConstraintViolationException e) {
                return c; // what had no answer had been done
            } catch (SQLException e) {
                c = connect("");
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        database = arguments[0];
        places = new ArrayDeque<>(Arrays.asList(arguments).subList(2, arguments.length));
        for (String options : new String[] {"", "&useServerPrepStmts=true", "&allowMultiQueries=true", "&autocommit=false"}) firstSteps(options);
        System.out.println("ready");
        Connection c = connect("");
        int count = 0;
        for (; !Files.exists(Path.of(arguments[1])); count++) c = write(c, count);
        System.out.println("done " + count);
    }
}
