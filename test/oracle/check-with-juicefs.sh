#!/usr/bin/env bash
# check-with-juicefs.sh - let the real `juicefs` judge a volume that was written by something else.
#
#   check-with-juicefs.sh [options] INDEX BUCKET_DIR MOUNT_POINT > manifest.tsv
#
#   INDEX        a SQLite index file, or any other metadata URL (redis://127.0.0.1:6390/1 ...)
#   BUCKET_DIR   directory of the `file` storage; the objects are below BUCKET_DIR/<volume name>/
#   MOUNT_POINT  directory to mount on (made if missing; removed again if it was made here)
#
#   --in-place   use INDEX itself (default: a private copy, with Bucket set to BUCKET_DIR, so that
#                neither the WAL switch nor anything else touches the caller's file).
#                Implied for a URL; then the volume's own Bucket setting must be right.
#   --no-stat    do not check dir_stats rows and the counters usedSpace / totalInodes
#   --no-gc      do not run `juicefs gc` (it reports leaked objects; it deletes nothing here): needed for one version
#                of a family, because the blocks of its siblings look leaked
#   --dump FILE  also write `juicefs dump` (JSON) of the volume to FILE
#   --keep       leave the volume mounted
#
# Steps:
#   1. juicefs fsck: every block of every slice exists (by name; the contents are not looked at)
#   2. juicefs fsck --path / --recursive --sync-dir-stat: nlink of directories, dir_stats rows
#      (without --repair it changes nothing)
#   3. the same with --repair on a second copy, and a comparison of what it had to change:
#      usedSpace, totalInodes, dir_stats, nlink (not for a URL or --in-place)
#   4. juicefs gc without --delete: no object below chunks/ that no slice uses
#   5. juicefs mount --read-only, every file read to its end
# then one manifest line for each path, sorted bytewise:
#
#   path  mode(octal)  nlink  uid:gid  rdev  size  mtime(ns)  sha256|-  symlink-target|-  xattrs|-
#
# separated by tabs; bytes outside 33..126 and '%' are written as %XX in path, target and xattr
# names; xattrs are name=hexvalue joined by commas.  `make-juicefs-volume.py --manifest` writes the
# same lines.  All messages go to stderr.  Exit code: 0 fine, 1 fsck or mount failed, 2 wrong usage.
#
# Needs: bash, python3, /dev/fuse + fusermount, and JuiceFS 1.4.x as $JUICEFS or `juicefs` on PATH: install-juicefs.sh
# gets it.

set -u -o pipefail
in_place=0 stat=1 gc=1 keep=0 dump=
while [ $# -gt 0 ]; do
  case $1 in
    --in-place) in_place=1 ;;
    --no-stat) stat=0 ;;
    --no-gc) gc=0 ;;
    --keep) keep=1 ;;
    --dump) dump=${2:-}; shift ;;
    -h|--help) sed -n '2,/^$/p' "$0" | sed 's/^# \{0,1\}//'; exit 0 ;;
    --) shift; break ;;
    -*) echo "unknown option $1" >&2; exit 2 ;;
    *) break ;;
  esac
  shift
done
[ $# -eq 3 ] || { echo "usage: $0 [options] INDEX BUCKET_DIR MOUNT_POINT  (--help)" >&2; exit 2; }
index=$1 bucket=$2 mp=$3

jfs=${JUICEFS:-$(command -v juicefs || true)}
if [ -z "$jfs" ] || [ ! -x "$jfs" ]; then
  echo "no juicefs: run install-juicefs.sh, then put it on PATH or in \$JUICEFS" >&2; exit 2
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/jfs-check.XXXXXX") || exit 2
made_mp=0 mounted=0
cleanup() {
  if [ "$mounted" = 1 ] && [ "$keep" = 0 ]; then
    "$jfs" umount "$mp" >&2 2>&1 || fusermount -uz "$mp" || umount -l "$mp"
    [ "$made_mp" = 1 ] && rmdir "$mp" 2>/dev/null
  fi
  [ "$keep" = 1 ] || rm -rf "$work"
}
trap cleanup EXIT

case $index in
  *://*) url=$index in_place=1 ;;
  *) [ -f "$index" ] || { echo "no such index: $index" >&2; exit 2; }
     index=$(realpath "$index"); url=sqlite3://$index ;;
esac

if [ "$in_place" = 0 ]; then
  # a copy made by SQLite itself also picks up what is still in INDEX-wal
  python3 - "$index" "$work/index.db" "$(realpath "$bucket")" >&2 <<'PY' || exit 1
import json, sqlite3, sys
src, dst, bucket = sys.argv[1:]
a, b = sqlite3.connect("file:%s?mode=ro" % src, uri=True), sqlite3.connect(dst)
a.backup(b)
bad = [r[0] for r in b.execute("PRAGMA integrity_check")]
if bad != ["ok"]:
    sys.exit("SQLite integrity_check of the index: %s" % bad)
row = b.execute("SELECT value FROM jfs_setting WHERE name='format'").fetchone()
if row is None:
    sys.exit("the index has no jfs_setting row named 'format'")
f = json.loads(row[0])
f["Storage"], f["Bucket"] = "file", bucket.rstrip("/") + "/"
b.execute("UPDATE jfs_setting SET value=? WHERE name='format'", (json.dumps(f, indent=0),))
b.commit(); b.close()
PY
  url=sqlite3://$work/index.db
fi

quiet() { "$jfs" --no-color --no-agent "$@" </dev/null >"$work/out" 2>&1; local rc=$?; cat "$work/out" >&2; return $rc; }

failed=0
echo "== $("$jfs" version)" >&2
echo "== fsck: blocks" >&2
quiet fsck "$url" || failed=1
echo "== fsck: tree" >&2
if [ "$stat" = 1 ]; then
  quiet fsck "$url" --path / --recursive --sync-dir-stat || failed=1
else
  quiet fsck "$url" --path / --recursive || failed=1
fi
if [ "$in_place" = 0 ] && [ "$stat" = 1 ]; then
  # let fsck --repair recount everything in a second copy, then compare what it had to change
  echo "== recount" >&2
  python3 - "$work/index.db" "$work/repaired.db" <<'PY'
import sqlite3, sys
a, b = sqlite3.connect(sys.argv[1]), sqlite3.connect(sys.argv[2]); a.backup(b)
PY
  quiet fsck "sqlite3://$work/repaired.db" --path / --recursive --repair --sync-dir-stat || failed=1
  python3 - "$work/index.db" "$work/repaired.db" >&2 <<'PY' || failed=1
import sqlite3, sys
a, b = (sqlite3.connect(x) for x in sys.argv[1:])
bad = 0
for what, q in [
    ("counter", "SELECT name, value FROM jfs_counter WHERE name IN ('usedSpace','totalInodes')"),
    ("dir_stats", "SELECT * FROM jfs_dir_stats"),
    ("directory nlink", "SELECT inode, nlink FROM jfs_node WHERE type=2"),
]:
    x, y = ({r[0]: r[1:] for r in db.execute(q)} for db in (a, b))
    for k in sorted(set(x) | set(y), key=str):
        if x.get(k) != y.get(k):
            bad = 1
            print("%s %s: is %s, juicefs counts %s" % (what, k, x.get(k), y.get(k)))
sys.exit(bad)
PY
fi
if [ "$gc" = 1 ]; then
  echo "== gc (report only)" >&2
  # 0: look at objects younger than an hour too.  gc exits 0 whatever it finds, so read its summary
  JFS_GC_SKIPPEDTIME=0 quiet gc "$url" || failed=1
  grep -q ' 0 leaked ' "$work/out" || { echo "gc: objects that no slice uses" >&2; failed=1; }
fi
if [ -n "$dump" ]; then
  echo "== dump" >&2
  quiet dump "$url" "$dump" || failed=1
fi

echo "== mount" >&2
[ -d "$mp" ] || { mkdir -p "$mp" && made_mp=1; }
mp=$(realpath "$mp")
if quiet mount "$url" "$mp" -d --read-only --enable-xattr --no-usage-report --no-bgjob \
     --backup-meta 0 --cache-size 0 --cache-dir memory --buffer-size 64 --attr-cache 0 \
     --entry-cache 0 --dir-entry-cache 0 --metrics 127.0.0.1:0 --log "$work/mount.log"; then
  mounted=1
else
  echo "mount failed" >&2; [ -f "$work/mount.log" ] && tail -20 "$work/mount.log" >&2; exit 1
fi

python3 "$(dirname "${BASH_SOURCE[0]}")/manifest.py" "$mp" || failed=1
[ "$failed" = 0 ] && echo "== all good" >&2 || echo "== FAILED" >&2
exit $failed
