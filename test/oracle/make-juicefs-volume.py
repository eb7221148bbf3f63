#!/usr/bin/env python3
"""
make-juicefs-volume.py - build a small JuiceFS volume by hand, without JuiceFS.

It creates, from nothing, (1) a SQLite metadata database in the layout that JuiceFS 1.1 .. 1.4
reads and writes, and (2) the block objects of a `file` storage.  The result is an *oracle input*:
`juicefs fsck`, `juicefs mount`, `juicefs dump`, `juicefs gc` must all accept it, and so must our own
implementation.  It needs nothing but the Python standard library (3.8+).

    python3 make-juicefs-volume.py --index vol.db --bucket ./objects --name demo --manifest expect.tsv
    ./check-with-juicefs.sh vol.db ./objects ./mnt > got.tsv
    diff expect.tsv got.tsv && echo same

With --redis 127.0.0.1:6390/1 the same volume is written to an EMPTY Redis database instead of (or as
well as) a SQLite file; check it with   ./check-with-juicefs.sh redis://127.0.0.1:6390/1 ./objects ./mnt

What the volume holds (every value is fixed, so two runs give the same bytes except for the UUID,
which --uuid can fix as well):

    /                     inode 1
    /dir                  inode 2   directory with an empty-valued xattr
    /dir/big.bin          inode 3   10 MiB, chunk 0 = two overlapping slices (see below), 2 xattrs
    /hard.bin             inode 3   hard link to /dir/big.bin  (nlink 2, node.parent 0)
    /dir/sym              inode 4   symlink -> ../hard.bin
    /sparse.bin           inode 5   64 MiB + 70000 bytes: no slice in chunk 0, one slice in chunk 1
    /holed.bin            inode 6   300000 bytes: one slice, a zero slice punched over its middle,
                                    then a tail that no slice covers
    /clone.bin            inode 7   shares a part of slice 1 with /dir/big.bin (slice refs 2)
    /empty                inode 8   0 bytes
    /fifo                 inode 9   named pipe
    /chr                  inode 10  character device 1:3
    /name %25 \\xff\\xfe     inode 11  a file whose name is not UTF-8, 5 bytes
    /dir/sub/deeper       inodes 12, 13 empty directories (nlink rules)
    /.trash/<hour>/1-14-gone.txt    inode 14, a file in the trash (only with --trash-days > 0)

Object names: <bucket>/<name>/chunks/<id/1e6>/<id/1000>/<id>_<block index>_<block bytes>
or, with --hash-prefix,   .../chunks/<%02X of id%256>/<id/1e6>/<id>_<block index>_<block bytes>.
"""

import argparse
import hashlib
import json
import os
import random
import socket
import sqlite3
import stat
import struct
import sys
import time
import uuid as uuidlib

CHUNK = 64 << 20                  # fixed by the format
ROOT = 1
TRASH = 0x7FFFFFFF10000000        # inode of /.trash ; hourly sub-trash = TRASH + n
T_FILE, T_DIR, T_LINK, T_FIFO, T_BLK, T_CHR, T_SOCK = 1, 2, 3, 4, 5, 6, 7

# The column order and the index names are the ones JuiceFS itself creates; only names of tables and
# columns matter to it, and each `pk`/unique constraint below is one it relies on.
SCHEMA = """
CREATE TABLE jfs_setting (name TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL);
CREATE TABLE jfs_counter (name TEXT PRIMARY KEY NOT NULL, value INTEGER NOT NULL);
CREATE TABLE jfs_edge (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, parent INTEGER NOT NULL,
  name BLOB NOT NULL, inode INTEGER NOT NULL, type INTEGER NOT NULL);
CREATE UNIQUE INDEX UQE_jfs_edge_edge ON jfs_edge (parent, name);
CREATE INDEX IDX_jfs_edge_inode ON jfs_edge (inode);
CREATE TABLE jfs_node (inode INTEGER PRIMARY KEY NOT NULL, type INTEGER NOT NULL,
  flags INTEGER NOT NULL, mode INTEGER NOT NULL, uid INTEGER NOT NULL, gid INTEGER NOT NULL,
  atime INTEGER NOT NULL, mtime INTEGER NOT NULL, ctime INTEGER NOT NULL,
  atimensec INTEGER DEFAULT 0 NOT NULL, mtimensec INTEGER DEFAULT 0 NOT NULL,
  ctimensec INTEGER DEFAULT 0 NOT NULL, nlink INTEGER NOT NULL, length INTEGER NOT NULL,
  rdev INTEGER NULL, parent INTEGER NULL, access_acl_id INTEGER NULL,
  default_acl_id INTEGER NULL, tier_id INTEGER NULL);
CREATE TABLE jfs_symlink (inode INTEGER PRIMARY KEY NOT NULL, target BLOB NOT NULL);
CREATE TABLE jfs_xattr (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, inode INTEGER NOT NULL,
  name TEXT NOT NULL, value BLOB NOT NULL);
CREATE UNIQUE INDEX UQE_jfs_xattr_name ON jfs_xattr (inode, name);
CREATE TABLE jfs_chunk (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, inode INTEGER NOT NULL,
  indx INTEGER NOT NULL, slices BLOB NOT NULL);
CREATE UNIQUE INDEX UQE_jfs_chunk_chunk ON jfs_chunk (inode, indx);
CREATE TABLE jfs_chunk_ref (chunkid INTEGER PRIMARY KEY NOT NULL, size INTEGER NOT NULL,
  refs INTEGER NOT NULL);
CREATE INDEX IDX_jfs_chunk_ref_refs ON jfs_chunk_ref (refs);
CREATE TABLE jfs_delslices (chunkid INTEGER PRIMARY KEY NOT NULL, deleted INTEGER NOT NULL,
  slices BLOB NOT NULL);
CREATE TABLE jfs_session2 (sid INTEGER PRIMARY KEY NOT NULL, expire INTEGER NOT NULL, info BLOB NULL);
CREATE TABLE jfs_sustained (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, sid INTEGER NOT NULL,
  inode INTEGER NOT NULL);
CREATE UNIQUE INDEX UQE_jfs_sustained_sustained ON jfs_sustained (sid, inode);
CREATE TABLE jfs_delfile (inode INTEGER PRIMARY KEY NOT NULL, length INTEGER NOT NULL,
  expire INTEGER NOT NULL);
CREATE TABLE jfs_flock (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, inode INTEGER NOT NULL,
  sid INTEGER NOT NULL, owner INTEGER NOT NULL, ltype INTEGER NOT NULL);
CREATE UNIQUE INDEX UQE_jfs_flock_flock ON jfs_flock (inode, sid, owner);
CREATE TABLE jfs_plock (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, inode INTEGER NOT NULL,
  sid INTEGER NOT NULL, owner INTEGER NOT NULL, records BLOB NOT NULL);
CREATE UNIQUE INDEX UQE_jfs_plock_plock ON jfs_plock (inode, sid, owner);
CREATE TABLE jfs_dir_quota (inode INTEGER PRIMARY KEY NOT NULL, max_space INTEGER NOT NULL,
  max_inodes INTEGER NOT NULL, used_space INTEGER NOT NULL, used_inodes INTEGER NOT NULL);
CREATE TABLE jfs_user_group_quota (qtype INTEGER NOT NULL, qkey INTEGER NOT NULL,
  max_space INTEGER NOT NULL, max_inodes INTEGER NOT NULL, used_space INTEGER NOT NULL,
  used_inodes INTEGER NOT NULL, PRIMARY KEY (qtype, qkey));
CREATE TABLE jfs_dir_stats (inode INTEGER PRIMARY KEY NOT NULL, data_length INTEGER NOT NULL,
  used_space INTEGER NOT NULL, used_inodes INTEGER NOT NULL);
CREATE TABLE jfs_detached_node (inode INTEGER PRIMARY KEY NOT NULL, added INTEGER NOT NULL);
CREATE TABLE jfs_acl (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, owner INTEGER NULL,
  `group` INTEGER NULL, mask INTEGER NULL, other INTEGER NULL, named_users BLOB NULL,
  named_groups BLOB NULL);
CREATE TABLE jfs_delegation_token (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, token BLOB NULL);
CREATE TABLE jfs_change_log (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, entry TEXT NOT NULL);
"""


def align4k(n):
    """space charged for a file of n bytes; everything that is not a file is charged as n = 0"""
    return 4096 if n == 0 else (n + 4095) // 4096 * 4096


def slice_record(pos, sid, size, off, length):
    """one 24-byte slice record, big endian: pos u32, id u64, size u32, off u32, len u32"""
    return struct.pack(">IQIII", pos, sid, size, off, length)


class Redis:
    """just enough of the Redis protocol"""

    def __init__(self, host, port, db):
        self.s = socket.create_connection((host, port))
        self.f = self.s.makefile("rb")
        self("SELECT", str(db))

    def __call__(self, *args):
        args = [x if isinstance(x, bytes) else x.encode() for x in args]
        self.s.sendall(b"*%d\r\n" % len(args) + b"".join(b"$%d\r\n%s\r\n" % (len(x), x) for x in args))
        line = self.f.readline().rstrip(b"\r\n")
        if line[:1] == b"-":
            sys.exit("redis: %s" % line.decode())
        return int(line[1:]) if line[:1] == b":" else line[1:]


class Volume:
    def __init__(self, a):
        self.a = a
        self.block = a.block_size << 10
        self.objdir = os.path.join(os.path.abspath(a.bucket), a.name)
        if not a.index and not a.redis:
            sys.exit("give --index FILE or --redis HOST:PORT/DB")
        if a.index and os.path.exists(a.index):
            sys.exit("index %s exists; refusing to overwrite it" % a.index)
        if os.path.isdir(self.objdir) and os.listdir(self.objdir):
            sys.exit("%s is not empty; pick another --bucket or --name" % self.objdir)
        os.makedirs(self.objdir, exist_ok=True)
        self.next_inode, self.next_slice = 2, 1
        self.children = {ROOT: []}    # directory inode -> [(name, inode, type)]
        self.nodes = {}
        self.slices = {}              # slice id -> bytes
        self.refs = {}                # slice id -> number of slice records that name it
        self.chunks = {}              # (inode, chunk index) -> [(pos, id, size, off, len)]

    # ---- data -------------------------------------------------------------------------------
    def put_object(self, key, data):
        p = os.path.join(self.objdir, key)
        os.makedirs(os.path.dirname(p), exist_ok=True)
        with open(p, "wb") as f:
            f.write(data)

    def new_slice(self, data):
        """store `data` (1 .. 64 MiB) as the blocks of a new slice and return its id"""
        assert 0 < len(data) <= CHUNK
        sid = self.next_slice
        self.next_slice += 1
        self.slices[sid] = data
        for i in range(0, len(data), self.block):
            b = data[i:i + self.block]
            if self.a.hash_prefix:
                d = "chunks/%02X/%d" % (sid % 256, sid // 1000000)
            else:
                d = "chunks/%d/%d" % (sid // 1000000, sid // 1000)
            self.put_object("%s/%d_%d_%d" % (d, sid, i // self.block, len(b)), b)
        return sid

    def add_slice(self, inode, indx, pos, sid, off=0, length=None):
        """append one slice record to a chunk; later records lie on top of earlier ones"""
        size = len(self.slices[sid]) if sid else 0
        if length is None:
            length = size - off
        assert pos + length <= CHUNK and (sid == 0 or off + length <= size)
        self.chunks.setdefault((inode, indx), []).append((pos, sid, size, off, length))
        if sid:
            self.refs[sid] = self.refs.get(sid, 0) + 1

    def content(self, inode):
        """what a reader must see: the model that the manifest is computed from"""
        n = self.nodes[inode]
        buf = bytearray(n["length"])
        for (ino, indx), recs in self.chunks.items():
            if ino != inode:
                continue
            for pos, sid, size, off, length in recs:
                d = self.slices[sid][off:off + length] if sid else bytes(length)
                at = indx * CHUNK + pos
                end = min(at + length, len(buf))   # bytes beyond the length are invisible
                if end > at:
                    buf[at:end] = d[:end - at]
        return bytes(buf)

    # ---- tree -------------------------------------------------------------------------------
    def node(self, typ, mode, parent, length=0, mtime_ns=1700000000123456789, uid=0, gid=0,
             rdev=0, nlink=None, inode=None, flags=0):
        if inode is None:
            inode = self.next_inode
            self.next_inode += 1
        if typ == T_DIR:
            length = 4096                       # JuiceFS always stores 4096 for a directory
            self.children.setdefault(inode, [])
        self.nodes[inode] = dict(type=typ, mode=mode, parent=parent, length=length, uid=uid, gid=gid,
                                 mtime=mtime_ns, rdev=rdev, flags=flags,
                                 nlink=nlink if nlink is not None else (2 if typ == T_DIR else 1),
                                 xattrs={}, target=b"")
        return inode

    def link(self, parent, name, inode):
        t = self.nodes[inode]["type"]
        self.children[parent].append((name, inode, t))
        if t == T_DIR and parent < TRASH:        # trash directories keep nlink 2
            self.nodes[parent]["nlink"] += 1

    # ---- writing it all out -----------------------------------------------------------------
    def format_json(self, vol_uuid):
        a = self.a
        fmt = {
            "Name": a.name,
            "UUID": vol_uuid,
            "Storage": "file",
            "Tiers": {"0": {"ID": 0, "StorageClass": "", "Tag": ""}},
            "Bucket": os.path.abspath(a.bucket).rstrip("/") + "/",  # the closing slash is needed
            "BlockSize": a.block_size,                              # KiB
            "Compression": "none",
        }
        if a.hash_prefix:
            fmt["HashPrefix"] = True
        fmt.update({
            "EncryptAlgo": "aes256gcm-rsa",
            "TrashDays": a.trash_days,
            "MetaVersion": 1,
            "MinClientVersion": "1.1.0-A",
            "DirStats": True,
            "EnableACL": False,
        })
        return json.dumps(fmt, indent=0)

    def usage(self):
        """usedSpace, totalInodes: every inode once, without the root and the trash root"""
        ns = [n for i, n in self.nodes.items() if i not in (ROOT, TRASH)]
        # a short symlink, a fifo, a device come to 4096 as well, and so does a directory
        return sum(align4k(n["length"]) for n in ns), len(ns)

    def dir_usage(self, d):
        """the dir_stats of one directory: its direct entries only; a hard link counts each time"""
        flen = [self.nodes[i]["length"] if t == T_FILE else 0 for _, i, t in self.children[d]]
        return sum(flen), sum(align4k(x) for x in flen), len(flen)

    def write_sqlite(self, vol_uuid):
        a = self.a
        db = sqlite3.connect(a.index)
        # JuiceFS switches the file to WAL when it opens it; either mode is accepted.
        db.execute("PRAGMA journal_mode=%s" % a.journal)
        db.executescript(SCHEMA)
        db.execute("INSERT INTO jfs_setting VALUES ('format', ?)", (self.format_json(vol_uuid),))
        for ino, n in sorted(self.nodes.items()):
            us, ns = n["mtime"] // 1000, n["mtime"] % 1000   # microseconds + the last 3 digits
            db.execute("INSERT INTO jfs_node VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,0,0,0)",
                       (ino, n["type"], n["flags"], n["mode"], n["uid"], n["gid"], us, us, us,
                        ns, ns, ns, n["nlink"], n["length"], n["rdev"], n["parent"]))
            if n["type"] == T_LINK:
                db.execute("INSERT INTO jfs_symlink VALUES (?,?)", (ino, n["target"]))
            for k, v in sorted(n["xattrs"].items()):
                db.execute("INSERT INTO jfs_xattr (inode,name,value) VALUES (?,?,?)", (ino, k, v))
        for d, ents in sorted(self.children.items()):
            for name, ino, typ in ents:
                db.execute("INSERT INTO jfs_edge (parent,name,inode,type) VALUES (?,?,?,?)",
                           (d, name, ino, typ))          # name must be bound as a BLOB
            if d != TRASH:
                db.execute("INSERT INTO jfs_dir_stats VALUES (?,?,?,?)", (d,) + self.dir_usage(d))
        for (ino, indx), recs in sorted(self.chunks.items()):
            db.execute("INSERT INTO jfs_chunk (inode,indx,slices) VALUES (?,?,?)",
                       (ino, indx, b"".join(slice_record(*r) for r in recs)))
        for sid, data in sorted(self.slices.items()):
            db.execute("INSERT INTO jfs_chunk_ref VALUES (?,?,?)",
                       (sid, len(data), self.refs.get(sid, 0)))
        used, inodes = self.usage()
        for k, v in [("nextInode", self.next_inode), ("nextChunk", self.next_slice),
                     ("nextSession", 0), ("usedSpace", used), ("totalInodes", inodes),
                     ("nextCleanupSlices", 0)] + ([("nextTrash", 1)] if a.trash_days else []):
            db.execute("INSERT INTO jfs_counter VALUES (?,?)", (k, v))
        db.commit()
        db.close()

    def write_redis(self, vol_uuid):
        host, _, rest = self.a.redis.partition(":")
        port, _, dbn = rest.partition("/")
        r = Redis(host, int(port), int(dbn or 0))
        if r("DBSIZE"):
            sys.exit("redis database %s is not empty" % self.a.redis)
        for ino, n in self.nodes.items():
            s, ns = divmod(n["mtime"], 10**9)
            attr = struct.pack(">BHIIqIqIqIIQIQ", n["flags"], n["type"] << 12 | n["mode"], n["uid"],
                               n["gid"], s, ns, s, ns, s, ns, n["nlink"], n["length"], n["rdev"],
                               n["parent"])                  # 71 bytes
            r("SET", "i%d" % ino, attr + b"\0")              # + 1: JuiceFS writes 72
            if n["type"] == T_LINK:
                r("SET", "s%d" % ino, n["target"])
            for k, v in n["xattrs"].items():
                r("HSET", "x%d" % ino, k, v)
        parents = {}
        for d, ents in self.children.items():
            for name, ino, typ in ents:
                r("HSET", "d%d" % d, name, struct.pack(">BQ", typ, ino))
                parents.setdefault(ino, []).append(d)
            if d != TRASH:
                for key, v in zip(("dirDataLength", "dirUsedSpace", "dirUsedInodes"), self.dir_usage(d)):
                    r("HSET", key, str(d), str(v))
        for ino, ps in parents.items():
            if self.nodes[ino]["parent"] == 0:               # hard links: parent -> count
                for p in set(ps):
                    r("HSET", "p%d" % ino, str(p), str(ps.count(p)))
        for (ino, indx), recs in self.chunks.items():
            r("RPUSH", "c%d_%d" % (ino, indx), *[slice_record(*x) for x in recs])
        for sid, n in self.refs.items():
            if n > 1:                                        # a missing field stands for one reference
                r("HSET", "sliceRef", "k%d_%d" % (sid, len(self.slices[sid])), str(n - 1))
        used, inodes = self.usage()
        for k, v in [("nextinode", self.next_inode - 1), ("nextchunk", self.next_slice - 1),
                     ("nextsession", 0), ("usedSpace", used), ("totalInodes", inodes),
                     ("nextTrash", 1 if self.a.trash_days else 0)]:
            r("SET", k, str(v))
        r("SET", "setting", self.format_json(vol_uuid))      # last: now it is a volume

    def finish(self):
        vol_uuid = self.a.uuid or str(uuidlib.uuid4())
        self.put_object("juicefs_uuid", vol_uuid.encode())
        if self.a.index:
            self.write_sqlite(vol_uuid)
        if self.a.redis:
            self.write_redis(vol_uuid)

    # ---- the manifest (same line format as check-with-juicefs.sh) ---------------------------
    def manifest(self):
        fmtbits = {T_FILE: stat.S_IFREG, T_DIR: stat.S_IFDIR, T_LINK: stat.S_IFLNK,
                   T_FIFO: stat.S_IFIFO, T_CHR: stat.S_IFCHR, T_BLK: stat.S_IFBLK,
                   T_SOCK: stat.S_IFSOCK}
        rows = []

        def esc(b):
            return "".join(chr(c) if 33 <= c < 127 and c not in b"%" else "%%%02X" % c for c in b) or "-"

        def walk(ino, path):
            n = self.nodes[ino]
            sha = hashlib.sha256(self.content(ino)).hexdigest() if n["type"] == T_FILE else "-"
            xs = ",".join("%s=%s" % (esc(k.encode()), v.hex()) for k, v in sorted(n["xattrs"].items()))
            rows.append("\t".join([
                esc(path), "%06o" % (fmtbits[n["type"]] | n["mode"]), str(n["nlink"]),
                "%d:%d" % (n["uid"], n["gid"]), "%d" % n["rdev"], str(n["length"]), str(n["mtime"]),
                sha, esc(n["target"]), xs or "-"]))
            for name, child, _ in self.children.get(ino, []):
                walk(child, (path if path != b"/" else b"") + b"/" + name)

        walk(ROOT, b"/")
        return "\n".join(sorted(rows)) + "\n"


def build(a):
    v = Volume(a)
    rnd = random.Random(20240607)

    def rand(n):
        return rnd.getrandbits(8 * n).to_bytes(n, "little")

    M = 1 << 20
    v.node(T_DIR, 0o777, ROOT, inode=ROOT)
    d = v.node(T_DIR, 0o755, ROOT)
    v.link(ROOT, b"dir", d)
    v.nodes[d]["xattrs"]["user.empty"] = b""

    # 10 MiB, two overlapping slices: the second covers [3 MiB + 123, 8 MiB + 123) of the first,
    # so neither its ends nor its blocks line up with the first one's.
    s1, s2 = v.new_slice(rand(10 * M)), v.new_slice(rand(5 * M))
    big = v.node(T_FILE, 0o640, 0, length=10 * M, uid=1000, gid=100, nlink=2,
                 mtime_ns=1600000000000000007)     # parent 0: the parents are found in jfs_edge
    v.add_slice(big, 0, 0, s1)
    v.add_slice(big, 0, 3 * M + 123, s2)
    v.nodes[big]["xattrs"].update({"user.comment": b"\x00bin\xff", "user.name": "h\u00e9llo".encode()})
    v.link(d, b"big.bin", big)
    v.link(ROOT, b"hard.bin", big)

    sym = v.node(T_LINK, 0o777, d, length=len(b"../hard.bin"))
    v.nodes[sym]["target"] = b"../hard.bin"
    v.link(d, b"sym", sym)

    sparse = v.node(T_FILE, 0o644, ROOT, length=CHUNK + 70000)
    v.add_slice(sparse, 1, 65536, v.new_slice(rand(4464)))
    v.link(ROOT, b"sparse.bin", sparse)

    holed = v.node(T_FILE, 0o644, ROOT, length=300000)
    s4 = v.new_slice(rand(200000))
    v.add_slice(holed, 0, 0, s4)
    v.add_slice(holed, 0, 50000, 0, 0, 60001)      # id 0, size 0: zeros
    v.link(ROOT, b"holed.bin", holed)

    clone = v.node(T_FILE, 0o600, ROOT, length=6 * M)
    v.add_slice(clone, 0, 1 * M, s1, off=3 * M + 5, length=5 * M)   # a window into slice 1
    v.link(ROOT, b"clone.bin", clone)

    v.link(ROOT, b"empty", v.node(T_FILE, 0o644, ROOT))
    v.link(ROOT, b"fifo", v.node(T_FIFO, 0o600, ROOT))
    v.link(ROOT, b"chr", v.node(T_CHR, 0o600, ROOT, rdev=(1 << 8) | 3))
    odd = v.node(T_FILE, 0o444, ROOT, length=5, flags=0)
    v.add_slice(odd, 0, 0, v.new_slice(b"odd\n\x00"))
    v.link(ROOT, b"name %25 \xff\xfe", odd)

    sub = v.node(T_DIR, 0o1777, d)
    v.link(d, b"sub", sub)
    v.link(sub, b"deeper", v.node(T_DIR, 0o700, sub, uid=1000, gid=1000))

    if a.trash_days:
        v.node(T_DIR, 0o555, ROOT, inode=TRASH)    # not an edge of the root: a name built in
        hour = v.node(T_DIR, 0o555, TRASH, inode=TRASH + 1)
        v.link(TRASH, time.strftime("%Y-%m-%d-%H", time.gmtime()).encode(), hour)
        gone = v.node(T_FILE, 0o644, hour, length=6)
        v.add_slice(gone, 0, 0, v.new_slice(b"gone!\n"))
        v.link(hour, b"%d-%d-gone.txt" % (ROOT, gone), gone)

    v.finish()
    if a.manifest:
        with open(a.manifest, "w") as f:
            f.write(v.manifest())


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__.split("\n\n")[0],
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--index", default="", help="SQLite file to create")
    p.add_argument("--redis", default="", help="HOST:PORT/DB of an empty Redis database to fill")
    p.add_argument("--bucket", required=True, help="directory of the file storage (made if missing)")
    p.add_argument("--name", default="demo", help="volume name: prefix of every object key")
    p.add_argument("--uuid", default="", help="fix the volume UUID (default: random)")
    p.add_argument("--block-size", type=int, default=4096, help="block size in KiB (64 .. 16384)")
    p.add_argument("--hash-prefix", action="store_true")
    p.add_argument("--trash-days", type=int, default=1)
    p.add_argument("--journal", default="DELETE", choices=["DELETE", "WAL"])
    p.add_argument("--manifest", default="", help="write the expected manifest to this file")
    build(p.parse_args())
