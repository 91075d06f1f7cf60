"""A raw NVMe/TCP speaker: builds any PDU, right or wrong, and reads the answers.

Standard library only. NVMe/TCP Transport Specification 1.0, section 3.6.
"""

import socket
import struct

IC_REQ, IC_RESP, H2C_TERM, C2H_TERM, CMD, RESP, H2C_DATA, C2H_DATA, R2T = 0, 1, 2, 3, 4, 5, 6, 7, 9
HDGST, DDGST, LAST, SUCCESS = 1, 2, 4, 8
FES_HEADER, FES_SEQUENCE, FES_DIGEST, FES_RANGE, FES_LIMIT, FES_UNSUPPORTED = 1, 2, 3, 4, 5, 6
IN_CAPSULE, TRANSPORT = 0x01, 0x5A

FABRICS = 0x7F
ADMIN_IDENTIFY, ADMIN_ASYNC_EVENT, ADMIN_KEEP_ALIVE = 0x06, 0x0C, 0x18
IO_FLUSH, IO_WRITE, IO_READ = 0x00, 0x01, 0x02
ZONE_SEND, ZONE_RECEIVE, ZONE_APPEND = 0x79, 0x7A, 0x7D

_TABLE = []
for _i in range(256):
    _c = _i
    for _ in range(8):
        _c = (_c >> 1) ^ (0x82F63B78 if _c & 1 else 0)
    _TABLE.append(_c)


def crc32c(data):
    c = 0xFFFFFFFF
    for b in data:
        c = (c >> 8) ^ _TABLE[(c ^ b) & 0xFF]
    return c ^ 0xFFFFFFFF


def header(kind, flags, hlen, pdo, plen):
    return struct.pack("<BBBBI", kind, flags, hlen, pdo, plen)


def ic_req(pfv=0, hpda=0, dgst=0, maxr2t=0, kind=IC_REQ, hlen=128, plen=128):
    return header(kind, 0, hlen, 0, plen) + struct.pack("<HBBI", pfv, hpda, dgst, maxr2t) + bytes(112)


def sqe(opc, cid=0, nsid=0, dwords=(), sgl=(0, 0, TRANSPORT), flags=0x40):
    """A submission queue entry; dwords are cdw10 on, sgl is (address, length, type)."""
    d = list(dwords) + [0] * (6 - len(dwords))
    return (struct.pack("<BBHI", opc, flags, cid, nsid) + bytes(16) + struct.pack("<QI3xB", *sgl)
            + struct.pack("<6I", *d))


class Closed(Exception):
    pass


class Pdu:
    def __init__(self, raw_header, body):
        self.kind, self.flags, self.hlen, self.pdo, self.plen = struct.unpack("<BBBBI", raw_header)
        self.raw = raw_header + body
        self.data = self.raw[self.pdo:] if self.pdo else b""

    def field(self, fmt, at):
        return struct.unpack_from("<" + fmt, self.raw, at)[0]

    # completion
    cid = property(lambda s: s.field("H", 8 + 12) if s.kind == RESP else s.field("H", 8))
    status = property(lambda s: s.field("H", 8 + 14) >> 1)
    code = property(lambda s: s.status & 0x7FF)
    result = property(lambda s: s.field("I", 8))
    result64 = property(lambda s: s.field("Q", 8))
    # R2T, data
    ttag = property(lambda s: s.field("H", 10))
    offset = property(lambda s: s.field("I", 12))
    length = property(lambda s: s.field("I", 16))
    # TermReq
    fes = property(lambda s: s.field("H", 8))
    fei = property(lambda s: s.field("I", 10))

    def __repr__(self):
        return "<PDU type %d flags %#x plen %d %s>" % (self.kind, self.flags, self.plen, self.raw[8:24].hex())


class Connection:
    """One TCP connection; init() and connect() bring it to where commands go."""

    def __init__(self, port, host="127.0.0.1", timeout=10, rcvbuf=0):
        self.sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.settimeout(timeout)
        self.sock.connect((host, port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.hdgst = self.ddgst = False
        self.align = 4
        self.next_cid = 0

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # bytes

    def send(self, data):
        self.sock.sendall(data)

    def take(self, n):
        got = bytearray()
        while len(got) < n:
            try:
                part = self.sock.recv(n - len(got))
            except ConnectionResetError:
                raise Closed("reset")
            if not part:
                raise Closed("end of stream after %d of %d bytes" % (len(got), n))
            got += part
        return bytes(got)

    def recv(self):
        head = self.take(8)
        plen = struct.unpack_from("<I", head, 4)[0]
        assert 24 <= plen < 1 << 26, "PLEN %d" % plen
        pdu = Pdu(head, self.take(plen - 8))
        if pdu.kind not in (IC_RESP, C2H_TERM):
            self.check_digests(pdu)
        return pdu

    def check_digests(self, pdu):
        assert bool(pdu.flags & HDGST) == self.hdgst, "HDGSTF in %r" % pdu
        if self.hdgst:
            want = struct.unpack_from("<I", pdu.raw, pdu.hlen)[0]
            assert crc32c(pdu.raw[:pdu.hlen]) == want, "header digest of %r" % pdu
        if pdu.kind == C2H_DATA:
            assert pdu.pdo % self.align == 0, "PDO %d" % pdu.pdo
            assert bool(pdu.flags & DDGST) == self.ddgst
            if self.ddgst:
                want = struct.unpack_from("<I", pdu.raw, pdu.plen - 4)[0]
                pdu.data = pdu.data[:-4]
                assert crc32c(pdu.data) == want, "data digest of %r" % pdu
            assert len(pdu.data) == pdu.length

    def closed(self):
        """True if nothing but the end of the stream comes."""
        try:
            self.take(1)
        except Closed:
            return True
        return False

    # PDUs

    def wrap(self, kind, head, data=b"", flags=0, pdo=None, plen=None, bad_hdgst=False, bad_ddgst=False, hlen=None):
        """A PDU with what was negotiated applied; any field may be forced wrong."""
        n = 8 + len(head)
        hd = 4 if self.hdgst else 0
        dd = 4 if self.ddgst and data else 0
        start = n + hd
        if data:
            start = (start + self.send_align - 1) // self.send_align * self.send_align
        flags |= (HDGST if hd else 0) | (DDGST if dd else 0)
        total = start + len(data) + dd
        h = header(kind, flags, n if hlen is None else hlen, (start if data else 0) if pdo is None else pdo,
                   total if plen is None else plen) + head
        out = h
        if hd:
            out += struct.pack("<I", crc32c(h) ^ (1 if bad_hdgst else 0))
        out += bytes(start - len(out)) + data
        if dd:
            out += struct.pack("<I", crc32c(data) ^ (1 if bad_ddgst else 0))
        return out

    send_align = 4

    def cmd(self, entry, data=b"", **kw):
        return self.wrap(CMD, entry, data, **kw)

    def h2c(self, cid, ttag, offset, data, last=True, datal=None, **kw):
        kw.setdefault("flags", LAST if last else 0)
        head = struct.pack("<HHII4x", cid, ttag, offset, len(data) if datal is None else datal)
        return self.wrap(H2C_DATA, head, data, **kw)

    # exchanges

    def init(self, **kw):
        self.send(ic_req(**kw))
        resp = self.recv()
        assert resp.kind == IC_RESP, resp
        dgst = resp.raw[11]
        self.hdgst, self.ddgst = bool(dgst & 1), bool(dgst & 2)
        self.align = (kw.get("hpda", 0) + 1) * 4
        self.send_align = (resp.raw[10] + 1) * 4
        self.maxh2c = struct.unpack_from("<I", resp.raw, 12)[0]
        return resp

    def cid(self):
        self.next_cid = (self.next_cid + 1) & 0x7FFF
        return self.next_cid

    def connect_capsule(self, nqn, qid=0, entries=32, cntlid=0xFFFF, cid=None, kato=0, no_flow_control=False,
                        hostnqn="nqn.2014-08.org.nvmexpress:uuid:11111111-2222-3333-4444-555555555555"):
        data = (bytes(range(16)) + struct.pack("<H", cntlid) + bytes(238) + nqn.encode().ljust(256, b"\0")
                + hostnqn.encode().ljust(256, b"\0") + bytes(256))
        entry = (struct.pack("<BBHB19x", FABRICS, 0x40, self.cid() if cid is None else cid, 1)
                 + struct.pack("<QI3xB", 0, len(data), IN_CAPSULE)
                 + struct.pack("<HHHBBI12x", 0, qid, entries - 1, 4 if no_flow_control else 0, 0, kato))
        return self.cmd(entry, data)

    def connect(self, nqn, **kw):
        self.send(self.connect_capsule(nqn, **kw))
        resp = self.recv()
        assert resp.kind == RESP and resp.status == 0, "Connect: %r status %#x" % (resp, resp.status)
        self.cntlid = resp.result & 0xFFFF
        return self.cntlid

    def property_set(self, offset, value):
        entry = struct.pack("<BBHB35xB3xIQ8x", FABRICS, 0x40, self.cid(), 0, 0, offset, value)
        return self.complete(entry)

    def property_get(self, offset):
        entry = struct.pack("<BBHB35xB3xIQ8x", FABRICS, 0x40, self.cid(), 4, 1 if offset in (0,) else 0, offset, 0)
        return self.complete(entry)

    def enable(self):
        resp = self.property_set(0x14, 0x460061)   # CC: all command sets, as Linux sets it
        assert resp.status == 0, "CC.EN: %#x" % resp.status

    def complete(self, entry, data=b"", **kw):
        self.send(self.cmd(entry, data, **kw))
        return self.recv()

    def read(self, lba, blocks, cid=None, opc=IO_READ, bytes_=None, **kw):
        n = blocks * 512 if bytes_ is None else bytes_
        return self.cmd(sqe(opc, self.cid() if cid is None else cid, 1, (lba, 0, blocks - 1), (0, n, TRANSPORT)), **kw)

    def write_in_capsule(self, lba, data, cid=None, sgl=None, **kw):
        entry = sqe(IO_WRITE, self.cid() if cid is None else cid, 1, (lba, 0, len(data) // 512 - 1),
                    sgl or (0, len(data), IN_CAPSULE))
        return self.cmd(entry, data, **kw)

    def write_by_r2t(self, lba, nbytes, cid=None):
        return self.cmd(sqe(IO_WRITE, self.cid() if cid is None else cid, 1, (lba, 0, nbytes // 512 - 1),
                            (0, nbytes, TRANSPORT)))

    def read_data(self, lba, blocks):
        """Read and return the data; checks status."""
        self.send(self.read(lba, blocks))
        data = self.recv()
        if data.kind == RESP:
            raise AssertionError("read failed: %#x" % data.status)
        if not data.flags & SUCCESS:
            resp = self.recv()
            assert resp.kind == RESP and resp.status == 0, resp
        return data.data
