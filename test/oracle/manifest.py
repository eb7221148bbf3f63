#!/usr/bin/env python3
"""
manifest.py DIR - one line for each path below a directory, as make-juicefs-volume.py --manifest writes them:

path  mode(octal)  nlink  uid:gid  rdev  size  mtime(ns)  sha256|-  symlink-target|-  xattrs|-
"""
import hashlib, os, stat, sys
root = os.fsencode(sys.argv[1])
rows, bad = [], 0
internal = {b".accesslog", b".config", b".stats", b".control", b".trash", b".jfs.accesslog"}

def esc(b):
    return "".join(chr(c) if 33 <= c < 127 and c != 37 else "%%%02X" % c for c in b) or "-"

def one(path, rel):
    global bad
    st = os.lstat(path)
    sha = tgt = "-"
    try:
        if stat.S_ISREG(st.st_mode):
            h = hashlib.sha256(); n = 0
            with open(path, "rb", buffering=0) as f:
                while True:
                    b = f.read(1 << 20)
                    if not b: break
                    h.update(b); n += len(b)
            sha = h.hexdigest()
            if n != st.st_size:
                raise OSError("size %d but %d bytes read" % (st.st_size, n))
        elif stat.S_ISLNK(st.st_mode):
            tgt = esc(os.readlink(path))
    except OSError as e:
        print("%s: %s" % (esc(rel), e), file=sys.stderr); sha = "ERROR"; bad = 1
    xs = []
    for k in sorted(os.fsencode(x) for x in os.listxattr(path, follow_symlinks=False)):
        # lastBackup is JuiceFS's own note on the root directory
        if not (rel == b"/" and k == b"lastBackup"):
            xs.append("%s=%s" % (esc(k), os.getxattr(path, k, follow_symlinks=False).hex()))
    rows.append("\t".join([esc(rel), "%06o" % st.st_mode, str(st.st_nlink),
        "%d:%d" % (st.st_uid, st.st_gid), str(st.st_rdev), str(st.st_size), str(st.st_mtime_ns),
        sha, tgt, ",".join(xs) or "-"]))
    if stat.S_ISDIR(st.st_mode):
        try:
            names = os.listdir(path)
        except OSError as e:
            print("%s: %s" % (esc(rel), e), file=sys.stderr); bad = 1; return
        for n in names:
            if rel == b"/" and n in internal:
                continue
            one(path + b"/" + n, (rel if rel != b"/" else b"") + b"/" + n)

one(root, b"/")
sys.stdout.write("\n".join(sorted(rows)) + "\n")
sys.exit(bad)
