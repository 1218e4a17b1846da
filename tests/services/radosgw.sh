#!/usr/bin/env bash
# A real S3 server for tests: Ceph radosgw with one monitor and one OSD, on the loopback interface only.
# Its Debian packages are downloaded and unpacked into a folder; nothing is installed, and no service of the system runs.
#
#   radosgw.sh start PACKAGES RUN PORT   unpack into PACKAGES (once, about 330 MB), run in RUN (new), listen on PORT;
#                                        PORT+1 and PORT+2 are the monitor's. Prints NAME=value lines to use.
#   radosgw.sh stop RUN                  end the processes that start made there
#
# Exit 3: this machine has no apt-get, or the packages can not be had.
set -euo pipefail

stop() {
  local file pid
  for file in "$run"/*.process; do
    [ -f "$file" ] || continue
    pid=$(cat "$file")
    # After a restart the number may be another's: ours has the run folder in its environment or command line.
    if tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null | grep -qxF "CEPH_CONF=$run/ceph.conf"; then
      kill -9 "$pid" 2>/dev/null || true # what it stored is thrown away with the folder
    fi
    rm -f "$file"
  done
}

unpack() {
  command -v apt-get >/dev/null || { echo "no apt-get here" >&2; exit 3; }
  mkdir -p "$packages"
  exec 9>"$packages/lock"
  flock 9 # two runs may start at once
  if [ ! -f "$packages/complete" ]; then
    rm -rf "$packages/deb" "$packages/root"
    mkdir -p "$packages/deb/partial" "$packages/root"
    apt-get update -qq >&2 || true
    apt-get -qq -o Dir::Cache::archives="$packages/deb" -o Debug::NoLocking=1 -y -d install \
      --no-install-recommends --reinstall radosgw ceph-mon ceph-osd >/dev/null || exit 3
    local each
    for each in "$packages"/deb/*.deb; do dpkg-deb -x "$each" "$packages/root"; done
    rm -rf "$packages/deb"
    touch "$packages/complete"
  fi
  flock -u 9
}

configure() {
  cat >"$CEPH_CONF" <<CONF
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon host = v2:127.0.0.1:$((port + 1)),v1:127.0.0.1:$((port + 2))
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
ms client mode = crc
ms service mode = crc
ms cluster mode = crc
ms mon cluster mode = crc
ms mon service mode = crc
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
erasure code dir = $lib/ceph/erasure-code
plugin dir = $lib/ceph
osd class dir = $lib/rados-classes
run dir = $run
admin socket = $run/\$name.\$pid.asok
pid file = $run/\$name.pid
log file = $run/\$name.log
mon cluster log file = $run/cluster.log
crash dir = $run
keyring = $run/keyring
osd memory target = 939524096
[mon.a]
mon data = $run/mon
[osd.0]
osd data = $run/osd
osd objectstore = bluestore
bluestore block size = 4294967296
bluestore block create = true
[client.admin]
rgw zone = default
rgw enable usage log = false
rgw enable ops log = false
CONF
}

quiet() { "$@" >>"$run/setup.log" 2>&1 || { echo "failed: $*" >&2; tail -n 20 "$run/setup.log" >&2; exit 1; }; }

background() {
  local name=$1
  shift
  setsid "$@" >>"$run/$name.out" 2>&1 </dev/null 9>&- &
  echo $! >"$run/$name.process"
}

start() {
  mkdir -p "$run/mon" "$run/osd"
  configure
  cd "$run"
  local fsid osd
  fsid=$(awk '/^fsid/{print $3}' "$CEPH_CONF")
  osd=$(cat /proc/sys/kernel/random/uuid)
  quiet monmaptool --create --clobber --fsid "$fsid" \
    --addv a "[v2:127.0.0.1:$((port + 1)),v1:127.0.0.1:$((port + 2))]" monmap
  quiet ceph-mon --mkfs -i a --mon-data mon --monmap monmap
  background mon ceph-mon -f -i a --mon-data mon
  quiet timeout 60 ceph osd new "$osd"
  quiet ceph-osd --mkfs -i 0 --osd-data osd --osd-uuid "$osd"
  quiet timeout 60 ceph osd crush add osd.0 1.0 root=default host=h0
  background osd ceph-osd -f -i 0 --osd-data osd
  quiet timeout 120 radosgw-admin user create --uid=lake --display-name=lake \
    --access-key=LAKEACCESSKEY --secret-key=LAKESECRETKEY
  background rgw radosgw -f -c "$CEPH_CONF" -n client.admin --no-mon-config --rgw_data "$run" \
    --rgw-frontends "beast endpoint=127.0.0.1:$port tcp_nodelay=1" # without it each small GET waits 40 ms
  for _ in $(seq 240); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      printf '%s\n' "AWS_ENDPOINT_URL=http://127.0.0.1:$port" AWS_ACCESS_KEY_ID=LAKEACCESSKEY \
        AWS_SECRET_ACCESS_KEY=LAKESECRETKEY AWS_REGION=default AWS_ALLOW_HTTP=true
      return
    fi
    sleep 0.25
  done
  echo "radosgw did not answer on port $port" >&2
  tail -n 20 "$run/rgw.out" >&2
  exit 1
}

case "${1:-}" in
  start)
    mkdir -p "$2" "$3"
    packages=$(cd "$2" && pwd) run=$(cd "$3" && pwd) port=$4
    root=$packages/root lib=$packages/root/usr/lib/$(uname -m)-linux-gnu
    unpack
    export LD_LIBRARY_PATH=$lib:$lib/ceph:$root/lib/$(uname -m)-linux-gnu PATH=$root/usr/bin:$PATH
    export PYTHONPATH=$root/usr/lib/python3/dist-packages CEPH_CONF=$run/ceph.conf
    trap '[ $? = 0 ] || stop' EXIT
    start
    ;;
  stop)
    run=$(cd "$2" && pwd)
    stop
    ;;
  *)
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
