/** Exit status of a sandbox that could not be set up; the command was not started. */
export const SETUP_FAILED = 125;

/**
 * Runs first, in the parent's namespaces: limits that every later process inherits.
 * Arguments: CPU seconds or `unlimited`, data-segment KiB or `unlimited`, then the command line.
 */
export const LIMITS_SCRIPT = `
# Node >= 24 hands its own permission flags to children through NODE_OPTIONS; the sandboxed command has its own.
unset NODE_OPTIONS
ulimit -c 0 && ulimit -t "$1" && ulimit -d "$2" || { echo "sandbox: limits refused" >&2; exit ${SETUP_FAILED}; }
shift 2
exec "$@"
`;

/**
 * Runs as root of fresh mount, pid and network namespaces and builds a root folder that holds only what is named.
 * Arguments: working folder, size of /tmp in bytes, then pairs (\`ro\`|\`rw\`|\`sys\`, path), then \`--\` and the command line.
 * \`sys\` is read-only, may be missing and keeps its symbolic link. The new root is assembled on /sys: a folder that
 * every Linux has and nothing inside needs, so that neither a temporary folder nor its clean-up is necessary.
 */
export const PRIVATE_ROOT_SCRIPT = `
set -eu
fail() { echo "sandbox: $1" >&2; exit ${SETUP_FAILED}; }
R=/sys
cwd=$1; tmp_bytes=$2; shift 2
mount -t tmpfs -o mode=755,size=1m,nosuid,nodev tmpfs $R || fail "no private root folder"
mkdir $R/proc $R/dev $R/tmp $R/.old $R/.tools
mount -t proc -o ro,nosuid,nodev,noexec proc $R/proc || fail "no process table of its own"
mount -t tmpfs -o "mode=1777,size=$tmp_bytes,nosuid,nodev" tmpfs $R/tmp

attach() {
  if [ -d "$2" ]; then mkdir -p "$R$2"
  elif [ -e "$2" ]; then [ -e "$R$2" ] || { mkdir -p "$R\${2%/*}"; : > "$R$2"; }
  else fail "$2 does not exist"; fi
  mount --bind "$2" "$R$2" || fail "cannot attach $2"
  mount -o "remount,bind,$1" "$R$2" || fail "cannot protect $2"
}
while [ "$1" != -- ]; do
  case $1 in
    ro) attach ro,nosuid,nodev "$2" ;;
    rw) attach rw,nosuid,nodev "$2" ;;
    sys)
      if [ -L "$2" ]; then mkdir -p "$R\${2%/*}"; [ -e "$R$2" ] || ln -s "$(readlink "$2")" "$R$2"
      elif [ -e "$2" ]; then attach ro,nosuid,nodev "$2"; fi ;;
  esac
  shift 2
done
shift

for node in null zero full random urandom; do
  : > "$R/dev/$node"; mount --bind "/dev/$node" "$R/dev/$node"
done
for tool in setpriv umount rmdir env; do
  : > "$R/.tools/$tool"; mount --bind "$(command -v $tool)" "$R/.tools/$tool"
done
cd $R
set -- /.tools/setpriv --no-new-privs --bounding-set=-all --inh-caps=-all --ambient-caps=-all -- "$@"
if command -v pivot_root > /dev/null; then
  pivot_root . .old || fail "cannot enter the private root folder"
  /.tools/umount -l /.old || fail "cannot leave the host's files"
  /.tools/rmdir /.old
  exec /.tools/env -C "$cwd" -- "$@"
fi
# Debian 14 moved pivot_root out of util-linux: what switch_root(8) does instead. Nothing inside can undo it: that
# takes rights over mounts, which setpriv drops, and which a new user namespace has over its own mounts only.
rmdir .old
mount --move . / || fail "cannot enter the private root folder"
exec chroot . /.tools/env -C "$cwd" -- "$@"
`;
