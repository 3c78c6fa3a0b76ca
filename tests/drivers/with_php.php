<?php
// PHP's mysqli and PDO (statements prepared by itself and by the server), then on while a node dies.
// with_php.php DATABASE STOP-FILE HOST:PORT…   (see tests/system/drivers.py)
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
$database = $argv[1];
$stop = $argv[2];
$places = array_slice($argv, 3);

function want($true, $what) {
    if (!$true) {
        fwrite(STDERR, "php: $what\n");
        exit(1);
    }
}

function connect_somewhere() {
    global $places, $database;
    for ($i = 0; $i < 100; $i++) {
        [$host, $port] = explode(":", $places[0]);
        try {
            $m = mysqli_init();
            $m->options(MYSQLI_OPT_CONNECT_TIMEOUT, 10);
            $m->real_connect($host, "app", "secret", $database, (int)$port);
            $m->set_charset("utf8mb4");
            return $m;
        } catch (mysqli_sql_exception $e) {
            $places[] = array_shift($places);
        }
    }
    want(false, "no node takes a connection");
}

function first_steps($m) {
    global $places, $database;
    $m->query("CREATE TABLE php (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(20), d DECIMAL(10,3), t DATETIME)");
    $insert = $m->prepare("INSERT INTO php (v, d, t) VALUES (?, ?, ?)");
    for ($i = 0; $i < 20; $i++) {
        $v = "é$i";
        $d = $i / 4;
        $t = "2001-02-03 04:05:06";
        $insert->bind_param("sds", $v, $d, $t);
        $insert->execute();
    }
    want($m->insert_id >= 20, "insert id");
    $m->begin_transaction();
    $m->query("DELETE FROM php");
    $m->rollback();
    $read = $m->prepare("SELECT * FROM php WHERE d >= ? ORDER BY id");
    $least = 1.25;
    $read->bind_param("d", $least);
    $read->execute();
    $rows = $read->get_result()->fetch_all(MYSQLI_ASSOC);
    want(count($rows) == 15 && $rows[0]["v"] == "é5", "rows");
    try {
        $m->query("INSERT INTO php (id) VALUES ({$rows[0]['id']})");
        want(false, "the key was taken twice");
    } catch (mysqli_sql_exception $e) {
        want($e->getCode() == 1062, $e->getMessage());
    }
    $m->multi_query("SELECT 1; SELECT 2; INSERT INTO php (v) VALUES ('m')");
    $results = 0;
    do {
        if ($result = $m->store_result()) {
            $results++;
            $result->free();
        }
    } while ($m->more_results() && $m->next_result());
    want($results == 2, "several statements");
    [$host, $port] = explode(":", $places[0]);
    $compressed = mysqli_init();
    $compressed->real_connect($host, "app", "secret", $database, (int)$port, null, MYSQLI_CLIENT_COMPRESS);
    $long = str_repeat("compressible ", 100000);
    $echoed = $compressed->query("SELECT '$long'");
    want($echoed && $echoed->fetch_row()[0] === $long, "compression");
    foreach ([true, false] as $emulated) {
        $pdo = new PDO("mysql:host=$host;port=$port;dbname=$database;charset=utf8mb4", "app", "secret",
            [PDO::ATTR_EMULATE_PREPARES => $emulated, PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
        $pdo->beginTransaction();
        $pdo->prepare("INSERT INTO php (v) VALUES (:v)")->execute(["v" => "o'k"]);
        $pdo->commit();
        $read = $pdo->prepare("SELECT v FROM php WHERE v = :v");
        $read->execute(["v" => "o'k"]);
        want(count($read->fetchAll()) >= 1, "PDO");
    }
}

function write($m, $number) {
    global $places;
    while (true) {
        try {
            $insert = $m->prepare("INSERT INTO written VALUES ('php', ?)");
            $insert->bind_param("i", $number);
            $insert->execute();
            return $m;
        } catch (mysqli_sql_exception $e) {
            if ($e->getCode() == 1062) return $m;  // what had no answer had been done
            $m = connect_somewhere();
        }
    }
}

$m = connect_somewhere();
first_steps($m);
echo "ready\n";
$count = 0;
while (!file_exists($stop)) {
    $m = write($m, $count++);
    clearstatcache();
}
echo "done $count\n";
