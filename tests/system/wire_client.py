"""A MySQL client of few lines that keeps every byte it is told, so that the answers of two servers can be compared."""

import hashlib
import socket
import struct

QUIT, INIT_DB, QUERY, FIELD_LIST, PING, CHANGE_USER = 0x01, 0x02, 0x03, 0x04, 0x0E, 0x11
PREPARE, EXECUTE, LONG_DATA, CLOSE, RESET, SET_OPTION, RESET_CONNECTION = 0x16, 0x17, 0x18, 0x19, 0x1A, 0x1B, 0x1F
# Capabilities beyond those that every conversation has.
FOUND_ROWS, MULTI_STATEMENTS, DEPRECATE_EOF = 1 << 1, 1 << 16, 1 << 24
BULK_OPERATIONS, EXTENDED_METADATA, CACHE_METADATA = 1 << 34, 1 << 35, 1 << 36  # MariaDB's own
LONG_PASSWORD = 1  # not said between a MariaDB server and a client that know MariaDB's capabilities
# LONG_PASSWORD, LONG_FLAG, CONNECT_WITH_DB, PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION, MULTI_RESULTS, PS_MULTI_RESULTS, PLUGIN_AUTH
ALWAYS = 1 | 1 << 2 | 1 << 3 | 1 << 9 | 1 << 13 | 1 << 15 | 1 << 17 | 1 << 18 | 1 << 19
MORE_RESULTS = 8
CURSOR_READ_ONLY = 1  # of EXECUTE
# IN_TRANS, AUTOCOMMIT, MORE_RESULTS, DB_DROPPED, NO_BACKSLASH_ESCAPES, PS_OUT_PARAMS, IN_TRANS_READONLY. The others speak of a
# plan, or of the time a statement took.
STATUS_COMPARED = 0x0001 | 0x0002 | MORE_RESULTS | 0x0100 | 0x0200 | 0x1000 | 0x2000
UTF8MB4_GENERAL_CI = 45
PACKET_BYTES_MAX = 0xFFFFFF

# Bytes of a value in a binary row; what is not here has its length in front.
FIXED = {1: "<b", 2: "<h", 13: "<h", 3: "<i", 9: "<i", 8: "<q", 4: "<f", 5: "<d"}
FLOAT, DATES, TIME = 4, (7, 10, 12), 11


def scramble(password, challenge):
    """mysql_native_password: https://mariadb.com/kb/en/connection/"""
    if not password:
        return b""
    first = hashlib.sha1(password.encode()).digest()
    mask = hashlib.sha1(challenge + hashlib.sha1(first).digest()).digest()
    return bytes(a ^ b for a, b in zip(first, mask))


def sha2_scramble(password, challenge):
    """caching_sha2_password"""
    first = hashlib.sha256(password.encode()).digest()
    mask = hashlib.sha256(hashlib.sha256(first).digest() + challenge).digest()
    return bytes(a ^ b for a, b in zip(first, mask))


def lenenc(data):
    size = len(data)
    if size < 251:
        return bytes([size]) + data
    return b"\xfc" + struct.pack("<H", size) + data if size < 1 << 16 else b"\xfd" + struct.pack("<I", size)[:3] + data


class Reader:
    """Takes a packet apart."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def bytes(self, count):
        out = self.data[self.at:self.at + count]
        if len(out) != count:
            raise ValueError(f"a packet ends too early: {self.data[:200]!r}")
        self.at += count
        return out

    def integer(self, count):
        return int.from_bytes(self.bytes(count), "little")

    def lenenc(self):
        """A number; None for NULL."""
        first = self.integer(1)
        if first < 251:
            return first
        return None if first == 251 else self.integer({252: 2, 253: 3, 254: 8}[first])

    def string(self):
        size = self.lenenc()
        return None if size is None else self.bytes(size)

    def text(self):
        return self.string().decode("utf-8", "replace")

    def rest(self):
        return self.bytes(len(self.data) - self.at)

    def left(self):
        return len(self.data) - self.at


def error_of(packet):
    return ("error", int.from_bytes(packet[1:3], "little"), packet[4:9].decode("latin1"), packet[9:].decode("utf-8", "replace"))


def ok_of(packet):
    fields = Reader(packet)
    fields.integer(1)
    affected, insert_id = fields.lenenc(), fields.lenenc()
    status, warnings = fields.integer(2), fields.integer(2)
    info = fields.rest().decode("utf-8", "replace") if fields.left() else ""
    return status, ("ok", f"affected {affected}", f"id {insert_id}", f"status {status & STATUS_COMPARED:#x}", f"warnings {warnings}", info)


def column_of(packet, extended=False):
    """(database, table, original table, name, original name, character set, length, type, flags, decimals, extended data)"""
    fields = Reader(packet)
    fields.string()
    names = [fields.text() for _ in range(5)]
    more = fields.string() if extended else b""
    if fields.lenenc() != 12:
        raise ValueError(f"a column's description has no 12 bytes of numbers: {packet[:200]!r}")
    return (*names, fields.integer(2), fields.integer(4), fields.integer(1), fields.integer(2), fields.integer(1), more)


def text_row(packet, columns):
    fields = Reader(packet)
    row = [fields.string() for _ in columns]
    if fields.left():
        raise ValueError(f"a row with more than its {len(columns)} values: {packet[:200]!r}")
    return row


def binary_row(packet, columns):
    fields = Reader(packet)
    fields.integer(1)
    nulls = fields.bytes((len(columns) + 9) // 8)
    row = []
    for i, column in enumerate(columns):
        kind = column[7]
        if nulls[(i + 2) // 8] >> (i + 2) % 8 & 1:
            row.append(None)
        elif kind in FIXED:
            value, = struct.unpack(FIXED[kind], fields.bytes(struct.calcsize(FIXED[kind])))
            row.append(value)
        elif kind in DATES or kind == TIME:
            row.append(fields.bytes(fields.integer(1)))
        else:
            row.append(fields.string())
    if fields.left():
        raise ValueError(f"a binary row with more than its {len(columns)} values: {packet[:200]!r}")
    return row


class Client:
    """One connection. Every answer is a list of tuples: ok, error, columns, row, end."""

    def __init__(self, host, port, user, password, database="", capabilities=0, deadline_s=30):
        self.capabilities = ALWAYS | capabilities
        self.extended = bool(capabilities & EXTENDED_METADATA)
        if self.extended:
            self.capabilities &= ~LONG_PASSWORD
        self.columns = []  # as they came, of all results
        self.identity = user, password, database
        self.socket = socket.create_connection((host, port), timeout=deadline_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = self.socket.makefile("rb")
        self.sequence = 0
        challenge, self.offered = self._greeting(self.read())
        self._send(struct.pack("<IIB19xI", self.capabilities & 0xFFFFFFFF, 1 << 24, UTF8MB4_GENERAL_CI, self.capabilities >> 32) + user.encode() + b"\0" +
                   lenenc(scramble(password, challenge)) + database.encode() + b"\0" + b"mysql_native_password\0")
        self._login_answer(password)

    @staticmethod
    def _greeting(packet):
        """(challenge, capabilities)"""
        fields = Reader(packet)
        if fields.integer(1) != 10:
            raise ConnectionError(f"no greeting: {packet[:200]!r}")
        fields.bytes(packet.index(b"\0", 1))  # the version
        fields.integer(4)
        first = fields.bytes(8)
        fields.bytes(1)
        offered = fields.integer(2)
        fields.bytes(1 + 2)
        offered |= fields.integer(2) << 16
        fields.bytes(1 + 6)
        more = fields.integer(4)
        if not offered & LONG_PASSWORD:
            offered |= more << 32
        return first + fields.bytes(12), offered

    def _login_answer(self, password):
        packet = self._prove(password)
        if packet[0] != 0:
            raise ConnectionError(f"login: {error_of(packet)}")

    def _prove(self, password):
        """Answers what the server asks for, up to its verdict."""
        packet = self.read()
        if packet[0] == 0xFE:
            end = packet.index(b"\0", 1)
            prove = sha2_scramble if packet[1:end] == b"caching_sha2_password" else scramble
            self._send(prove(password, packet[end + 1:][:20]))
            packet = self.read()
        if packet == b"\x01\x04":
            self._send(password.encode() + b"\0")
            packet = self.read()
        elif packet == b"\x01\x03":  # proved already; the verdict follows
            packet = self.read()
        return packet

    def _send(self, payload):
        data = b""
        while True:
            part, payload = payload[:PACKET_BYTES_MAX], payload[PACKET_BYTES_MAX:]
            data += struct.pack("<I", len(part))[:3] + bytes([self.sequence]) + part
            self.sequence = (self.sequence + 1) & 0xFF
            if len(part) < PACKET_BYTES_MAX:
                break
        self.socket.sendall(data)

    def read(self):
        payload = b""
        while True:
            header = self.stream.read(4)
            if len(header) < 4:
                raise ConnectionError("the server closed the connection")
            size = int.from_bytes(header[:3], "little")
            part = self.stream.read(size)
            if header[3] != self.sequence or len(part) != size:
                raise ConnectionError(f"packet number {header[3]} where {self.sequence} belongs, {len(part)} of {size} bytes")
            self.sequence = (self.sequence + 1) & 0xFF
            payload += part
            if size < PACKET_BYTES_MAX:
                return payload

    def close(self):
        try:
            self.sequence = 0
            self._send(bytes([QUIT]))
        except OSError:
            pass
        self.stream.close()
        self.socket.close()

    # -- commands -----------------------------------------------------------------------------------------------

    def _command(self, code, payload=b""):
        self.sequence = 0
        self._send(bytes([code]) + payload)

    def query(self, sql):
        self._command(QUERY, sql.encode("utf-8", "surrogateescape"))
        return self._results(text_row)

    def simple(self, code, payload=b""):
        """A command that is answered by one packet: OK, an error or an end."""
        self._command(code, payload)
        packet = self.read()
        if packet[0] == 0xFF:
            return [error_of(packet)]
        return [ok_of(packet)[1]] if packet[0] == 0 else [("end", *self._end(packet)[1])]

    def change_user(self, database):
        user, password, _ = self.identity
        self._command(CHANGE_USER, user.encode() + b"\0\0" + database.encode() + b"\0" + struct.pack("<H", UTF8MB4_GENERAL_CI) +
                      b"mysql_native_password\0")
        packet = self._prove(password)
        return [error_of(packet) if packet[0] == 0xFF else ok_of(packet)[1]]

    def field_list(self, table):
        self._command(FIELD_LIST, table.encode() + b"\0")
        out = []
        while True:
            packet = self.read()
            if packet[0] == 0xFF:
                return [error_of(packet)]
            if packet[0] == 0xFE and len(packet) < 9:
                return out
            out.append(("column", self._column(packet)))

    def prepare(self, sql):
        """(number of the statement or None, answer)"""
        self._command(PREPARE, sql.encode("utf-8", "surrogateescape"))
        packet = self.read()
        if packet[0] == 0xFF:
            return None, [error_of(packet)]
        fields = Reader(packet[1:])
        statement, columns, parameters = fields.integer(4), fields.integer(2), fields.integer(2)
        fields.integer(1)
        out = [("prepared", f"parameters {parameters}", f"warnings {fields.integer(2)}")]
        for count, name in ((parameters, "parameters"), (columns, "columns")):
            if count:
                out.append((name, [self._column(self.read()) for _ in range(count)]))
                if not self.capabilities & DEPRECATE_EOF:
                    self.read()
        return statement, out

    def open_cursor(self, statement):
        """Executes a statement without parameters; its rows wait to be fetched."""
        self._command(EXECUTE, struct.pack("<IBI", statement, CURSOR_READ_ONLY, 1))
        packet = self.read()
        if packet[0] == 0xFF:
            return [error_of(packet)]
        out = [("columns", [self._column(self.read()) for _ in range(Reader(packet).lenenc())])]
        return [*out, ("end", *self._end(self.read())[1])]

    def execute(self, statement, parameters=()):
        """Parameters are (type, unsigned, bytes) with the bytes as the protocol has them; None for NULL."""
        payload = struct.pack("<IBI", statement, 0, 1)
        if parameters:
            nulls = sum(1 << i for i, (_, _, value) in enumerate(parameters) if value is None)
            payload += nulls.to_bytes((len(parameters) + 7) // 8, "little") + b"\x01"
            payload += b"".join(bytes([kind, 0x80 if unsigned else 0]) for kind, unsigned, _ in parameters)
            payload += b"".join(value for _, _, value in parameters if value is not None)
        self._command(EXECUTE, payload)
        return self._results(binary_row)

    def close_statement(self, statement):
        self._command(CLOSE, struct.pack("<I", statement))

    def _column(self, packet):
        self.columns.append(packet)
        return column_of(packet, self.extended)

    # -- answers ------------------------------------------------------------------------------------------------

    def _end(self, packet):
        """(status, words) of what ends rows."""
        if self.capabilities & DEPRECATE_EOF:
            status, words = ok_of(packet)
            return status, words[3:5]
        warnings, status = struct.unpack("<HH", packet[1:5])
        return status, (f"status {status & STATUS_COMPARED:#x}", f"warnings {warnings}")

    def _is_end(self, packet):
        return packet[0] == 0xFE and (len(packet) < 9 or (self.capabilities & DEPRECATE_EOF and len(packet) < PACKET_BYTES_MAX))

    def _results(self, row_of):
        out = []
        while True:
            packet = self.read()
            if packet[0] == 0xFF:
                return [*out, error_of(packet)]
            if packet[0] == 0xFB:
                raise ConnectionError("the server asks for a file")
            if packet[0] == 0:
                status, answer = ok_of(packet)
                out.append(answer)
            else:
                status = self._rows(Reader(packet).lenenc(), row_of, out)
                if status is None:
                    return out
            if not status & MORE_RESULTS:
                return out

    def _rows(self, count, row_of, out):
        """Puts a result set into `out`; its status, None when it ended with an error."""
        columns = [self._column(self.read()) for _ in range(count)]
        out.append(("columns", columns))
        if not self.capabilities & DEPRECATE_EOF:
            self.read()
        while True:
            packet = self.read()
            if packet[0] == 0xFF:
                out.append(error_of(packet))
                return None
            if self._is_end(packet):
                status, words = self._end(packet)
                out.append(("end", *words))
                return status
            out.append(("row", row_of(packet, columns)))
